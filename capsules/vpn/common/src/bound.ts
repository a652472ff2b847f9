/** The bound that decided: how it is called where it is set, how far it goes, and what met it. */
import { fieldsOf } from "./frame.ts";
import type { PolicyField } from "./policy.ts";

export type Bound = {
  /** Such as `policy.maxSwitchesPerMinute`. */
  readonly bound: string;
  readonly limit: number;
  readonly value: number;
  readonly unit: string;
};

const MAX_TEXT = 64;

/** As another one says it, for people only; null: it is none. */
export function parseBound(said: unknown): Bound | null {
  const { bound, limit, value, unit } = fieldsOf(said) ?? {};
  if (typeof bound !== "string" || typeof unit !== "string") return null;
  if (!Number.isFinite(limit) || !Number.isFinite(value)) return null;
  return {
    bound: bound.slice(0, MAX_TEXT),
    limit: limit as number,
    value: value as number,
    unit: unit.slice(0, MAX_TEXT),
  };
}

/** For evidence: nothing where no number decided. */
export function metBy(bound: Bound | null | undefined): { readonly bound?: Bound } {
  return bound === null || bound === undefined ? {} : { bound };
}

/** Of a silence, for its evidence: the transport's own number, under its name there; nothing where the other end judged. */
export function silenceMet(
  bound: "silentMs" | "deadMs",
  silentMs: number | undefined,
  limitMs: number | undefined,
): { readonly bound?: Bound } {
  if (silentMs === undefined || limitMs === undefined) return {};
  return { bound: { bound, limit: limitMs, value: silentMs, unit: "ms" } };
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
