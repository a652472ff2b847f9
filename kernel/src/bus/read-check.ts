/** Judges a turn's request for keys of another shard: is it well formed, and has the manifest declared it. */
import type { Manifest, ReadEffect, VnesError } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import { requestOf } from "../ledger/state-request.ts";
import { MAX_READ_KEYS } from "../state/read.ts";
import { undeclaredRead } from "../state/read-permission.ts";

export function refusedRead(
  effect: ReadEffect,
  manifest: Manifest,
  maxTimeoutMs: number,
): VnesError | undefined {
  const { capsule } = effect;
  const problem = readProblem(effect, maxTimeoutMs);
  if (problem !== undefined) return kernelErrors.create("TURN_READ_INVALID", { capsule, problem });
  const what = undeclaredRead(requestOf(effect), manifest);
  if (what === undefined) return undefined;
  return kernelErrors.create("TURN_READ_NOT_DECLARED", { capsule, what, reader: manifest.id });
}

function readProblem(
  { keys, prefix, shard, limit, timeoutMs }: ReadEffect,
  maxTimeoutMs: number,
): string | undefined {
  if ((keys === undefined) === (prefix === undefined)) return "it names either keys or a prefix";
  if (keys !== undefined && (keys.length === 0 || keys.length > MAX_READ_KEYS))
    return `it names ${keys.length} keys; 1 to ${MAX_READ_KEYS} are allowed`;
  if (shard !== undefined && (!Number.isSafeInteger(shard) || shard < 0)) return "a shard is counted from 0";
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_READ_KEYS))
    return `its limit is a whole number from 1 to ${MAX_READ_KEYS}`;
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > maxTimeoutMs)
    return `its timeoutMs is a whole number of milliseconds from 1 to ${maxTimeoutMs}`;
  return undefined;
}
