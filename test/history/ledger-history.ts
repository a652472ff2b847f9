/** A ledger as the checks read it: decoded records by shard, and the effect of any effect id. Checks H1, H2 and H10 on the way. */
import type { Digest, StoredRecord } from "@vnes/kernel";
import type { Effect } from "@vnes/schemas";
import { DEADLETTER_TOPIC } from "../../kernel/src/bus/kernel-topics.ts";
import { chainHash, genesisHash, hex } from "../../kernel/src/ledger/chain.ts";
import type { EffectId } from "../../kernel/src/ledger/effect-id.ts";
import { decodeRecord, type LedgerRecord, type TurnRecord } from "../../kernel/src/ledger/record.ts";
import type { Problem } from "./problem.ts";

export type StoredLedger = ReadonlyMap<string, readonly StoredRecord[]>;

/** Records of one shard; `records[n]` has seq n + 1. */
export interface ShardHistory {
  readonly shard: string;
  readonly records: readonly LedgerRecord[];
  /** Hex of each record's chain hash. */
  readonly hashes: readonly string[];
}

export interface LedgerHistory {
  readonly shards: ReadonlyMap<string, ShardHistory>;
}

/** What cannot be decoded ends its shard's history there, as a problem. */
export function decodeLedger(
  stored: StoredLedger,
  digest: Digest,
): { readonly ledger: LedgerHistory; readonly problems: readonly Problem[] } {
  const shards = new Map<string, ShardHistory>();
  const problems: Problem[] = [];
  for (const [shard, kept] of stored) {
    const records: LedgerRecord[] = [];
    const hashes: string[] = [];
    const fail = (rule: Problem["rule"], what: string): void =>
      void problems.push({ rule, where: shard, what });
    let hash = genesisHash(shard, digest);
    let at = 0;
    for (const { seq, bytes, hash: claimed } of kept) {
      if (seq !== records.length + 1) fail("H1", `record ${seq} stands where ${records.length + 1} belongs`);
      hash = chainHash(hash, bytes, digest);
      if (hex(hash) !== hex(claimed)) {
        fail("H1", `record ${seq} does not follow from the one before it`);
        break;
      }
      let record: LedgerRecord;
      try {
        record = decodeRecord(shard, seq, bytes);
      } catch (error) {
        fail("H1", `record ${seq} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
        break;
      }
      if (record.at < at) fail("H2", `record ${seq} is at ${record.at}, the one before it at ${at}`);
      at = Math.max(at, record.at);
      if (record.kind === "turn" && leftBehind(record) !== undefined)
        fail("H10", `record ${seq} failed and still asks for: ${leftBehind(record)}`);
      records.push(record);
      hashes.push(hex(hash));
    }
    shards.set(shard, { shard, records, hashes });
  }
  return { ledger: { shards }, problems };
}

function leftBehind({ outcome, effects, input }: TurnRecord): string | undefined {
  if (outcome === "ok") return undefined;
  const isTheKernels = (effect: Effect): boolean =>
    effect.do === "answer"
      ? !effect.answer.ok
      : effect.do === "publish" && effect.topic === DEADLETTER_TOPIC && input.from === "topic";
  return effects.find((effect) => !isTheKernels(effect))?.do;
}

function recordAt({ shards }: LedgerHistory, shard: string, seq: number): LedgerRecord | undefined {
  return shards.get(shard)?.records[seq - 1];
}

/** Undefined when no durable record asked for it. */
export function effectAt(ledger: LedgerHistory, { shard, seq, index }: EffectId): Effect | undefined {
  const record = recordAt(ledger, shard, seq);
  if (record === undefined || (record.kind !== "turn" && record.kind !== "kernel")) return undefined;
  return record.effects[index];
}

/** Turn records of capsule shards, in order. */
export function* turnsOf({ shards }: LedgerHistory): Generator<{
  readonly shard: string;
  readonly record: TurnRecord;
}> {
  for (const { shard, records } of shards.values())
    for (const record of records) if (record.kind === "turn") yield { shard, record };
}

/** Equal as JSON: what is in a ledger was encoded once, so the order of fields counts for nothing here. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      isSameJson((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}
