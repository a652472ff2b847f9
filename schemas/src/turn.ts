/**
 * The vocabulary a kernel and a sandbox share: what a capsule is told (delivery) and what it may ask for (effects).
 * It is the payload of the host protocol (`docs/host-protocol.md`) and part of every ledger record, so a field
 * changes only with the protocol's version.
 */
import type { Json } from "./json.ts";

export const HOST_PROTOCOL_VERSION = 1;

/** How a call ended, whoever ended it. */
export type Answer =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly details?: Json };

export type Delivery =
  /** The first turn of an activation. `resumed` is true when the shard had records before. */
  | { readonly kind: "start"; readonly config: Json; readonly resumed: boolean }
  | {
      readonly kind: "event";
      readonly topic: string;
      readonly partition: number;
      /** Position in the partition; null for an `at_most_once` topic, whose events have none. */
      readonly seq: number | null;
      readonly key: string;
      readonly event: Json;
    }
  /** Events of one partition in its order, at least one, as one turn: for a subscription with `batch`. */
  | {
      readonly kind: "batch";
      readonly topic: string;
      readonly partition: number;
      readonly events: readonly BatchEvent[];
    }
  | {
      readonly kind: "call";
      readonly callId: string;
      readonly capability: string;
      readonly method: string;
      readonly input: Json;
      /** Capsule id of the caller, or `control` for a person at the command line. */
      readonly caller: string;
      /** Node time in milliseconds after which nobody waits for the answer. */
      readonly deadlineAt: number;
    }
  /** The end of a call this capsule made. `tag` and `context` are what the call effect carried. */
  | {
      readonly kind: "answer";
      readonly callId: string;
      readonly tag: string;
      readonly context: Json;
      readonly answer: Answer;
    }
  | { readonly kind: "timer"; readonly id: string; readonly dueAt: number; readonly payload: Json }
  /** The time of a key has come (`ttlMs`). The sdk answers it with the key's deletion; the capsule has no handler for it. */
  | { readonly kind: "expiry"; readonly key: string; readonly version: number; readonly dueAt: number };

/** Seq of the record that last wrote a key; null for a key that does not exist. With its shard it is the write's logical timestamp. */
export type KeyVersion = number | null;

export interface BatchEvent {
  /** Position in the partition; null on an `at_most_once` topic. */
  readonly seq: number | null;
  readonly key: string;
  readonly event: Json;
}

export type Effect =
  | {
      readonly do: "write";
      readonly key: string;
      readonly value: Json;
      /** Compare-and-set: the turn fails unless the key has this version before it. */
      readonly expect?: KeyVersion;
      /** The key is gone this many milliseconds after the turn's time, unless it is written again. */
      readonly ttlMs?: number;
    }
  | { readonly do: "delete"; readonly key: string; readonly expect?: KeyVersion }
  | { readonly do: "publish"; readonly topic: string; readonly key: string; readonly event: Json }
  | {
      readonly do: "call";
      readonly tag: string;
      readonly capability: string;
      readonly method: string;
      readonly input: Json;
      readonly context: Json;
      readonly timeoutMs: number;
    }
  | ReadEffect
  | { readonly do: "answer"; readonly callId: string; readonly answer: Answer }
  | { readonly do: "setTimer"; readonly id: string; readonly at: number; readonly payload: Json }
  | { readonly do: "cancelTimer"; readonly id: string };

/**
 * Asks for keys of another capsule, or of another shard of its own; the end of it is an `answer` delivery whose value is a
 * `StateRead`. Either `keys` or `prefix`.
 */
export interface ReadEffect {
  readonly do: "read";
  readonly tag: string;
  /** Id of the capsule that owns the keys. */
  readonly capsule: string;
  /** Which of its shards; may be left out when it has one. */
  readonly shard?: number;
  readonly keys?: readonly string[];
  readonly prefix?: string;
  /** Goes on behind this key: the `next` of the page before. */
  readonly after?: string;
  /** Values in one answer at most. */
  readonly limit?: number;
  readonly context: Json;
  readonly timeoutMs: number;
}

/** Values of one shard at one seq, all of it durable. */
export interface StateRead {
  readonly shard: string;
  /** Seq of the last record these values come from; 0 for a shard without records. */
  readonly seq: number;
  /** Node time of that record. */
  readonly at: number;
  /** Keys that exist, with their versions: in the order asked for, or sorted by UTF-16 code units under a prefix. */
  readonly values: readonly (readonly [key: string, value: Json, version: number])[];
  /** There is more: ask again with `after` set to this. The next page may be of a later seq. */
  readonly next: string | null;
}

/** Said during a turn for people to read; at most once, in no ledger. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly data?: Json;
}

/** A version left out is one the sandbox has to ask for again when a turn wants it. */
export type GivenKey = readonly [key: string, value?: Json, version?: number];

export interface TurnRequest {
  /** Chosen by the kernel, unique within an instance, rising. */
  readonly turn: number;
  /** Node time in whole milliseconds; the only clock the capsule sees. */
  readonly at: number;
  /** 16 hex digits; the only source of randomness the capsule has. */
  readonly seed: string;
  readonly delivery: Delivery;
  /** Values the sandbox asked for with `needKeys`, each with its version; a key without a value does not exist. */
  readonly keys?: readonly GivenKey[];
  /** Prefixes of which `keys` now holds every key. */
  readonly ranges?: readonly string[];
}

export type TurnResult =
  | {
      readonly turn: number;
      readonly kind: "done";
      readonly effects: readonly Effect[];
      readonly logs?: readonly LogLine[];
    }
  /** Nothing of the turn was kept; deliver it again with these. */
  | {
      readonly turn: number;
      readonly kind: "needKeys";
      readonly keys: readonly string[];
      readonly ranges: readonly string[];
    }
  /** `code` is one of the `TURN_*` codes. Nothing of the turn was kept. */
  | {
      readonly turn: number;
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      /** Where in the capsule, `impl/main.js:12:9`: for people to read, like a line of a log, and in no record. */
      readonly place?: string;
    };
