/**
 * Judges one write or deletion: is the key the capsule's own, has it the version the turn expects, can it expire then.
 *
 * A key belongs to one shard of one capsule. An effect names no capsule, so another's key cannot even be addressed: what looks
 * like one is refused, with the name of the capsule it looks like.
 */
import type { Effect, KeyVersion, VnesError } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import type { ShardState } from "../ledger/shard-state.ts";
import type { TurnRules } from "./turn-check.ts";

/** Keys are names; longer ones are values in the wrong place. */
const MAX_KEY_LENGTH = 512;
/** A hundred years: longer is for ever, and is said by leaving it out. */
const MAX_TTL_MS = 3_155_760_000_000;

export function refusedKey(
  effect: Extract<Effect, { do: "write" | "delete" }>,
  { manifest, ownersOf }: Pick<TurnRules, "manifest" | "ownersOf">,
  state: Pick<ShardState, "versions">,
): VnesError | undefined {
  const { key } = effect;
  // Half a surrogate pair is no text: stored or sent as UTF-8 it becomes another key, and two keys become one.
  if (key.length === 0 || key.length > MAX_KEY_LENGTH || !key.isWellFormed()) {
    return kernelErrors.create("TURN_KEY_INVALID", { length: key.length, limit: MAX_KEY_LENGTH });
  }
  if (!beginsWithOneOf(key, manifest.state?.owns ?? [])) {
    const owner = ownersOf(key).join(", ") || "none";
    return kernelErrors.create("TURN_KEY_NOT_OWNED", { key, capsule: manifest.id, owner });
  }
  return refusedVersion(key, effect.expect, state) ?? refusedTtl(effect);
}

function beginsWithOneOf(key: string, prefixes: readonly string[]): boolean {
  for (const prefix of prefixes) if (key.startsWith(prefix)) return true;
  return false;
}

function refusedVersion(
  key: string,
  expected: KeyVersion | undefined,
  { versions }: Pick<ShardState, "versions">,
): VnesError | undefined {
  if (expected === undefined) return undefined;
  const found = versions.get(key) ?? null;
  if (found === expected) return undefined;
  return kernelErrors.create("TURN_VERSION_CONFLICT", { key, expected, found });
}

function refusedTtl(effect: Extract<Effect, { do: "write" | "delete" }>): VnesError | undefined {
  if (effect.do === "delete" || effect.ttlMs === undefined) return undefined;
  const { key, ttlMs } = effect;
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= MAX_TTL_MS) return undefined;
  return kernelErrors.create("TURN_TTL_INVALID", { key, limit: MAX_TTL_MS });
}
