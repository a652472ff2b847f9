/** The bound that decided: how it is called where it is set, how far it goes, and what met it. */
import type { PolicyField } from "./policy.ts";

export type Bound = {
  /** Such as `policy.maxSwitchesPerMinute`. */
  readonly bound: string;
  readonly limit: number;
  readonly value: number;
  readonly unit: string;
};

/** Of a silence, for its evidence: the transport's own `silentMs`; nothing where the other end judged. */
export function silenceMet(silentMs: number, limitMs: number | undefined): { readonly bound?: Bound } {
  if (limitMs === undefined) return {};
  return { bound: { bound: "silentMs", limit: limitMs, value: silentMs, unit: "ms" } };
}

/** A field of a policy, met by `value`. */
export function boundOf<N extends string>(
  table: { readonly [name in N]: PolicyField },
  name: N,
  policy: { readonly [name in N]: number },
  value: number,
): Bound {
  return { bound: `policy.${name}`, limit: policy[name], value, unit: table[name].unit };
}
