/**
 * What crossing a process would make of a value, without the text between: a copy that shares nothing with the original.
 * A real host sends JSON; this gives what `JSON.parse(JSON.stringify(value))` gives, at a fraction of its cost.
 */
/** The longest JSON text one UTF-16 code unit can become: `\u0000`. */
const ESCAPED_LENGTH = 6;
/** The longest text of a number: `-2.2250738585072014e-308`. */
const NUMBER_LENGTH = 24;

/** Equal to the value's way through JSON and back. */
export function copyAcross<T>(value: T): T {
  return copied(value) as T;
}

/** Length of the value's JSON text if that is over `limit`, otherwise undefined; made only when an estimate cannot tell. */
export function jsonLengthOver(value: readonly unknown[], limit: number): number | undefined {
  if (longestJson(value) <= limit) return undefined;
  const { length } = JSON.stringify(value);
  return length > limit ? length : undefined;
}

function copied(value: unknown): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      // JSON has no -0 and nothing that is not finite.
      return Number.isFinite(value) ? value + 0 : null;
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return copiedArray(value);
      return isPlain(value) ? copiedObject(value) : asText(value);
    case "bigint":
      throw new TypeError("a BigInt does not cross: JSON has none");
    default:
      return undefined;
  }
}

function copiedArray(value: readonly unknown[]): unknown {
  // As long as it will be: one that grows makes room for sixteen more.
  const copy: unknown[] = [...value];
  for (let index = 0; index < copy.length; index++) copy[index] = copied(copy[index]) ?? null;
  return copy;
}

function copiedObject(value: { readonly [key: string]: unknown }): unknown {
  const copy: { [key: string]: unknown } = {};
  for (const key in value) {
    // Assigned, it would become the copy's prototype instead of a member.
    if (key === "__proto__" || key === "toJSON") return asText(value);
    const member = copied(value[key]);
    if (member !== undefined) copy[key] = member;
  }
  return copy;
}

function isPlain(value: object): value is { readonly [key: string]: unknown } {
  return Object.getPrototypeOf(value) === Object.prototype;
}

function asText(value: object): unknown {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? undefined : JSON.parse(text);
}

function longestJson(value: unknown): number {
  switch (typeof value) {
    case "string":
      return ESCAPED_LENGTH * value.length + 2;
    case "number":
      return NUMBER_LENGTH;
    case "object": {
      if (value === null) return "null".length;
      let length = 2;
      if (Array.isArray(value)) {
        for (const item of value) length += longestJson(item) + 1;
        return length;
      }
      if (!isPlain(value)) return Number.POSITIVE_INFINITY;
      for (const key in value) length += ESCAPED_LENGTH * key.length + 4 + longestJson(value[key]);
      return length;
    }
    default:
      return "false".length;
  }
}
