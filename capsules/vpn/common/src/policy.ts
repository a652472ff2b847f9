/**
 * Policies as data: every field with its unit, its usual value and its bounds. This is the one source: configurations and
 * answers of policy capsules are parsed with it, and the JSON Schemas are made from it (`policy-schema.ts`).
 */

export type PolicyField = {
  readonly unit: "ms" | "switches" | "channels" | "bytes" | "percent" | "pings";
  readonly usual: number;
  readonly min: number;
  readonly max: number;
  /** 0 is a value too, beside those from `min` to `max`. */
  readonly orZero?: true;
  /** Name of the field of the same policy that this one may not exceed. */
  readonly atMost?: string;
  readonly meaning: string;
};

export type PolicyTable = { readonly [name: string]: PolicyField };

/** Of one session, given at its creation and kept with it. */
export const SESSION_POLICY = {
  sessionTtlMs: {
    unit: "ms",
    usual: 86_400_000,
    min: 1000,
    max: 2_592_000_000,
    meaning: "Greatest age of a session, from its creation.",
  },
  transportLossTtlMs: {
    unit: "ms",
    usual: 60_000,
    min: 100,
    max: 86_400_000,
    meaning: "Longest time without a confirmed transport.",
  },
  maxSwitchesPerMinute: {
    unit: "switches",
    usual: 30,
    min: 1,
    max: 600,
    meaning: "Reattaches within any 60 s.",
  },
} as const;

export type SessionPolicy = { readonly [N in keyof typeof SESSION_POLICY]: number };

/** Of a client. */
export const CLIENT_POLICY = {
  cooldownMs: {
    unit: "ms",
    usual: 1000,
    min: 0,
    max: 600_000,
    meaning: "No switch away from a channel that is still open sooner than this after the last one.",
  },
  maxSwitchesPerMinute: {
    unit: "switches",
    usual: 20,
    min: 1,
    max: 600,
    meaning: "Switches within any 60 s.",
  },
  recoveryMs: {
    unit: "ms",
    usual: 30_000,
    min: 100,
    max: 86_400_000,
    meaning: "From the first sign of trouble to an attached transport, or the session ends here.",
  },
  connectMs: {
    unit: "ms",
    usual: 600_000,
    min: 100,
    max: 86_400_000,
    meaning: "The same for the first session.",
  },
  openTimeoutMs: {
    unit: "ms",
    usual: 1000,
    min: 10,
    max: 60_000,
    meaning: "How long a channel may take to open.",
  },
  answerMs: {
    unit: "ms",
    usual: 300,
    min: 10,
    max: 60_000,
    meaning: "An answer that has not come by then is asked for again.",
  },
  retryMs: {
    unit: "ms",
    usual: 250,
    min: 10,
    max: 60_000,
    meaning: "First pause after every candidate has failed; doubles up to 16 times itself.",
  },
  watchMs: {
    unit: "ms",
    usual: 10_000,
    min: 100,
    max: 600_000,
    meaning: "How often the transport's list and the gateway are asked while a session is bound.",
  },
  // Routing waits half as long for geometry; together less than one lost answer of a gateway costs.
  rankMs: {
    unit: "ms",
    usual: 100,
    min: 1,
    max: 10_000,
    meaning: "A ranking that has not come by then is made by the client.",
  },
  probeMs: {
    unit: "ms",
    usual: 30_000,
    min: 100,
    max: 3_600_000,
    orZero: true,
    meaning: "From one look at a path that carries nothing to the next; 0: never.",
  },
  standbys: {
    unit: "channels",
    usual: 0,
    min: 0,
    max: 1,
    meaning: "Kept open beside the active one.",
  },
  // With IP's and our own heads below 1,280, which every path of IPv6 carries.
  pingBytes: {
    unit: "bytes",
    usual: 1200,
    min: 0,
    max: 1400,
    meaning: "Of a ping and of its answer; a path that carries only less is below policy.",
  },
  maxLossPercent: {
    unit: "percent",
    usual: 20,
    min: 0,
    max: 100,
    meaning: "Of the pings over a path; one that loses more is below policy.",
  },
  maxLatencyMs: {
    unit: "ms",
    usual: 1000,
    min: 1,
    max: 60_000,
    meaning: "Round trip over a path; one that takes longer is below policy.",
  },
  belowPings: {
    unit: "pings",
    usual: 3,
    min: 1,
    max: 16,
    atMost: "ofPings",
    meaning: "So many of the last `ofPings` below policy, and the active path is.",
  },
  ofPings: {
    unit: "pings",
    usual: 5,
    min: 1,
    max: 16,
    meaning: "So many in a row within policy, and the active path is again.",
  },
} as const;

export type ClientPolicy = { readonly [N in keyof typeof CLIENT_POLICY]: number };

export type ParsedPolicy<N extends string> =
  | { readonly ok: true; readonly policy: { readonly [name in N]: number } }
  /** `pointer` is within the policy, `/sessionTtlMs`; empty for the whole. */
  | { readonly ok: false; readonly pointer: string; readonly problem: string };

export function usualPolicy<N extends string>(
  table: { readonly [name in N]: PolicyField },
): {
  readonly [name in N]: number;
} {
  return ofEvery(table, (name) => table[name].usual);
}

/** What `value` leaves out is taken from `base`. Whoever wrote `value`, it is data: unknown fields are refused. */
export function parsePolicy<N extends string>(
  table: { readonly [name in N]: PolicyField },
  value: unknown,
  base: { readonly [name in N]: number },
): ParsedPolicy<N> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, pointer: "", problem: "expected an object" };
  }
  const given = value as { readonly [name: string]: unknown };
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(table, name));
  if (unknown !== undefined) return { ok: false, pointer: `/${unknown}`, problem: "unknown field" };
  for (const name of Object.keys(given) as N[]) {
    if (isWithin(table[name], given[name])) continue;
    const { min, max, orZero } = table[name];
    const zero = orZero ? "0 or " : "";
    return {
      ok: false,
      pointer: `/${name}`,
      problem: `expected ${zero}a whole number from ${min} to ${max}`,
    };
  }
  const policy = ofEvery(table, (name) => (given[name] as number | undefined) ?? base[name]);
  for (const name of Object.keys(table) as N[]) {
    const other = table[name].atMost as N | undefined;
    if (other !== undefined && policy[name] > policy[other])
      return {
        ok: false,
        pointer: `/${name}`,
        problem: `expected at most ${other}, which is ${policy[other]}`,
      };
  }
  return { ok: true, policy };
}

function isWithin({ min, max, orZero }: PolicyField, set: unknown): boolean {
  if (typeof set !== "number" || !Number.isInteger(set)) return false;
  return (set >= min && set <= max) || (orZero === true && set === 0);
}

/** In the table's order, so that equal policies are written alike. */
function ofEvery<N extends string>(
  table: { readonly [name in N]: PolicyField },
  valueOf: (name: N) => number,
): { readonly [name in N]: number } {
  const entries = (Object.keys(table) as N[]).map((name) => [name, valueOf(name)] as const);
  return Object.fromEntries(entries) as { readonly [name in N]: number };
}
