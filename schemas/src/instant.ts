/** RFC 3339 instants (section 5.6) as milliseconds since the epoch. */

const FORM = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:)(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Undefined for what is no instant: February 30th, hour 24. A leap second counts as the second before it. */
export function parseInstant(text: string): number | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, date = "", minute = "", second = "", fraction = "", zone = ""] = match;
  const exact = `${date}T${minute}${second === "60" ? "59" : second}${fraction.slice(0, 4)}${zone.toUpperCase()}`;
  const at = Date.parse(exact);
  if (Number.isNaN(at) || minute.startsWith("24")) return undefined;
  // Date.parse takes February 30th for March 2nd.
  const day = new Date(`${date}T00:00:00Z`);
  return Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date) ? undefined : at;
}

/** Of a date-time that a schema has let through. */
export function instantOf(dateTime: string): number {
  const at = parseInstant(dateTime);
  // Compared with NaN a key would neither be too old nor too young.
  if (at === undefined) throw new TypeError(`${dateTime} is no RFC 3339 date-time`);
  return at;
}
