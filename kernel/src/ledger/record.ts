/**
 * What a ledger shard is made of. A record is encoded once; the bytes that were hashed are the bytes that are stored,
 * read back and replayed.
 *
 * Shards are named `<capsule id>/<n>` (turns of a capsule), `topic/<name>/<partition>` (events of a topic) and
 * `kernel/<node>` (what the kernel itself decided).
 */
import type { Delivery, Effect, Json } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import type { Digest } from "../ports/digest.ts";
import type { Snapshot } from "./snapshot.ts";
import { putRecord } from "./record-bytes.ts";
import { putOrText } from "./text-bytes.ts";

/** Where a turn's delivery came from. By reference where the bytes are in another kept shard, by value otherwise. */
export type TurnInput =
  | TopicInput
  | {
      readonly from: "effect";
      readonly shard: string;
      readonly seq: number;
      readonly index: number;
      readonly depth: number;
      readonly delivery: Delivery;
    }
  | { readonly from: "timer"; readonly delivery: Delivery }
  | {
      readonly from: "kernel" | "control" | "device" | "ephemeral";
      readonly depth: number;
      readonly delivery: Delivery;
    };

/** One event of a partition, or several as one batch. `seq` and `hash` are those of the last of them. */
export interface TopicInput {
  readonly from: "topic";
  readonly shard: string;
  readonly seq: number;
  readonly hash: string;
  /** Present when the delivery was a batch: its first event, and every one of them where some in between are not in it. */
  readonly batch?: { readonly first: number; readonly seqs?: readonly number[] };
  /** Events of this subscriber that flow control took out since the turn before. */
  readonly skipped?: number;
}

export type Outcome = "ok" | { readonly failed: string; readonly message: string };

/** One turn of a capsule. */
export interface TurnRecord {
  readonly v: 1;
  readonly kind: "turn";
  readonly seq: number;
  /** Node time in milliseconds; never decreases within a shard. */
  readonly at: number;
  readonly seed: string;
  readonly input: TurnInput;
  readonly outcome: Outcome;
  readonly effects: readonly Effect[];
  /** Effects of records up to this seq have reached their receivers; recovery does not release them again. */
  readonly released: number;
}

/** From here on the shard's turns ran this image. */
export interface ActivationRecord {
  readonly v: 1;
  readonly kind: "activation";
  readonly seq: number;
  readonly at: number;
  readonly image: string;
  readonly version: string;
}

/** One event of a topic partition, with the effect that published it. */
export interface EventRecord {
  readonly v: 1;
  readonly kind: "event";
  readonly seq: number;
  readonly at: number;
  readonly source: { readonly shard: string; readonly seq: number; readonly index: number };
  readonly key: string;
  readonly event: Json;
  /**
   * Of the partition, up to an event before this one. It rides on an event, so that every seq of a partition is an event
   * and subscribers never meet a gap.
   */
  readonly snapshot?: Snapshot;
}

/** The state of the shard at one of the records before; changes nothing. */
export interface SnapshotRecord {
  readonly v: 1;
  readonly kind: "snapshot";
  readonly seq: number;
  readonly at: number;
  readonly snapshot: Snapshot;
}

/** The shard's position in a topic partition, set by the kernel and not by a turn: at a first start, or to replay. */
export interface PositionRecord {
  readonly v: 1;
  readonly kind: "position";
  readonly seq: number;
  readonly at: number;
  /** `topic/<name>/<partition>`. */
  readonly partition: string;
  /** Seq of the last event that counts as consumed. */
  readonly position: number;
  readonly reason: "from_now" | "replay";
}

/** Something the kernel decided, and what it publishes about it. */
export interface KernelRecord {
  readonly v: 1;
  readonly kind: "kernel";
  readonly seq: number;
  readonly at: number;
  readonly fact: { readonly [key: string]: Json };
  readonly effects: readonly Effect[];
  readonly released: number;
}

export type LedgerRecord =
  | TurnRecord
  | ActivationRecord
  | EventRecord
  | SnapshotRecord
  | PositionRecord
  | KernelRecord;

/** The snapshot a record brings, if it brings one. */
export function snapshotOf(record: LedgerRecord): Snapshot | undefined {
  return record.kind === "snapshot" || record.kind === "event" ? record.snapshot : undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeRecord(record: LedgerRecord): Uint8Array {
  return putOrText(record, putRecord);
}

/** The record's bytes and its hash. They lie behind the hash before them, as they are hashed: nothing is copied together for it. */
export function chainRecord(
  previous: Uint8Array,
  record: LedgerRecord,
  digest: Digest,
): { readonly bytes: Uint8Array; readonly hash: Uint8Array } {
  const both = putOrText(record, putRecord, previous);
  return { bytes: both.subarray(previous.length), hash: digest.sha256(both) };
}

/** Throws `LEDGER_RECORD_INVALID`: the bytes carry a valid hash, yet are not a record this version knows. */
export function decodeRecord(shard: string, seq: number, bytes: Uint8Array): LedgerRecord {
  let value: LedgerRecord;
  try {
    value = JSON.parse(decoder.decode(bytes)) as LedgerRecord;
  } catch (cause) {
    throw kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem: "not JSON" }, cause);
  }
  const problem = recordProblem(value, seq);
  if (problem !== undefined) throw kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem });
  return value;
}

const KINDS: ReadonlySet<string> = new Set(["turn", "activation", "event", "snapshot", "position", "kernel"]);

function recordProblem(value: LedgerRecord, seq: number): string | undefined {
  if (typeof value !== "object" || value === null) return "not an object";
  if (value.v !== 1) return "unknown record version";
  if (!KINDS.has(value.kind)) return "unknown kind";
  if (value.seq !== seq) return "seq inside differs from seq outside";
  if (!Number.isSafeInteger(value.at)) return "no time";
  if (value.kind === "turn" && (typeof value.input !== "object" || !Array.isArray(value.effects))) {
    return "turn without input or effects";
  }
  if (value.kind === "event" && typeof value.source !== "object") return "event without source";
  if (value.kind === "position" && (typeof value.partition !== "string" || !isPosition(value.position))) {
    return "position without a partition or a place in it";
  }
  const snapshot = snapshotOf(value);
  if ((value.kind === "snapshot" || snapshot !== undefined) && !isSnapshot(snapshot, seq))
    return "snapshot without through, head or sections";
  if (value.kind === "kernel" && !Array.isArray(value.effects)) return "kernel record without effects";
  return undefined;
}

function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isSnapshot(snapshot: Snapshot | undefined, seq: number): boolean {
  if (typeof snapshot !== "object" || snapshot === null) return false;
  const { through, head, sections, scalars, kept, floors } = snapshot;
  const parts = [sections, scalars, kept, floors];
  return (
    Number.isSafeInteger(through) &&
    through < seq &&
    typeof head === "string" &&
    parts.every((part) => typeof part === "object" && part !== null)
  );
}
