/**
 * What a capsule author writes against. A capsule is a table of synchronous handlers; each runs one turn to completion
 * and touches nothing but the `Turn` it is given. Module variables are caches: a turn may run in a fresh isolate.
 */
import type { Answer, BatchEvent, Json, KeyVersion, LogLine, ReadEffect } from "@vnes/schemas";

/**
 * The capsule's own keys, those below the prefixes of `state.owns`. Writes are seen by later reads of the same turn and kept only if
 * the turn succeeds. A value is copied; one that is not JSON ends the turn with `TURN_EFFECT_INVALID`, and so does every other effect.
 */
export interface Keys {
  /** Undefined when the key does not exist. */
  get(key: string): Json | undefined;
  /** The values of several keys in their order, undefined where there is none; what is missing here is fetched at once. */
  getAll(keys: readonly string[]): readonly (Json | undefined)[];
  set(key: string, value: Json, options?: WriteOptions): void;
  delete(key: string, options?: Pick<WriteOptions, "expect">): void;
  /** Version before this turn: seq of the record that last wrote the key, null when it did not exist. */
  version(key: string): KeyVersion;
  /**
   * Every key that starts with `prefix`, sorted by UTF-16 code units. All of them are read in the one turn: what grows with a
   * node's clients is kept in numbered places and looked at a page a turn, as `capsules/vpn/gateway/src/lists.ts` does.
   */
  entries(prefix: string): readonly (readonly [key: string, value: Json])[];
}

export interface WriteOptions {
  /** Compare-and-set: the turn fails with `TURN_VERSION_CONFLICT` unless `version(key)` is this. */
  readonly expect?: KeyVersion;
  /** Milliseconds, at least 1. The key is deleted by a turn of its own, at or after `turn.at + ttlMs`; a later `set` or `delete` cancels that. */
  readonly ttlMs?: number;
}

/** What of which capsule: either `keys`, at most 1,000, or `prefix`. */
export interface ReadRequest extends Pick<ReadEffect, "shard" | "keys" | "prefix" | "after" | "limit"> {
  readonly capsule: string;
  /** Which of `answers` hears the end of it. */
  readonly tag: string;
  /** Handed back with the answer. Default null. */
  readonly context?: Json;
  /** Milliseconds, up to a day. Default 5000. */
  readonly timeoutMs?: number;
}

export interface Turn {
  /** Node time in whole milliseconds. */
  readonly at: number;
  readonly keys: Keys;
  /** In [0, 1), from the turn's seed: the same again on replay. */
  random(): number;
  /** `<prefix>_` and 20 characters from the turn's seed. */
  id(prefix: string): string;
  /** `key` picks the partition, unless the topic's `partition.key` points to what does. What the topic's schema refuses ends the turn with `TURN_EVENT_INVALID`. */
  publish(topic: string, key: string, event: Json): void;
  /** Asks a capability; the end of it arrives as a delivery handled by `answers[tag]`. */
  call(call: {
    readonly capability: string;
    readonly method: string;
    readonly input: Json;
    readonly tag: string;
    /** Handed back with the answer. Default null. */
    readonly context?: Json;
    /** Milliseconds, up to a day. Default 5000; after them the answer is `CALL_TIMEOUT`. */
    readonly timeoutMs?: number;
  }): void;
  /**
   * Asks for keys of another capsule, as far as its manifest shares and this one's `state.reads` declares them. The end of it arrives
   * at `answers[tag]`: a `StateRead`, of one shard at one seq, or a coded refusal.
   */
  read(read: ReadRequest): void;
  /** Ends a call whose handler returned `later`. */
  answer(callId: string, answer: Answer): void;
  /** Sets or replaces the timer `id`; it fires at or after node time `at`. */
  setTimer(id: string, at: number, payload?: Json): void;
  /** Does nothing when there is none. */
  cancelTimer(id: string): void;
  /** A line in the node's log. Of a turn 64 are kept, of a message 2,000 characters, of data 16,384; what is dropped is counted. */
  log(level: LogLine["level"], message: string, data?: Json): void;
}

/** Returned by a call handler that will answer in a later turn with `turn.answer(callId, ...)`. */
export const later: unique symbol = Symbol("later");

/** Returned by a call handler to end the call with a coded error. Effects already asked for are kept. */
export interface Refusal {
  readonly refused: { readonly code: string; readonly message: string; readonly details?: Json };
}

/** `code` is for programs, such as `CART_EMPTY`; `message` for people. */
export function refuse(code: string, message: string, details?: Json): Refusal {
  return { refused: details === undefined ? { code, message } : { code, message, details } };
}

export interface CallInfo {
  readonly callId: string;
  /** Capsule id of the caller, or `control`. */
  readonly caller: string;
  /** Node time in milliseconds; an answer after it reaches nobody. */
  readonly deadlineAt: number;
}

export interface EventInfo {
  readonly topic: string;
  readonly key: string;
  readonly partition: number;
  /** Its place in the partition, from 1; null on an `at_most_once` topic. */
  readonly seq: number | null;
}

export interface BatchInfo {
  readonly topic: string;
  readonly partition: number;
}

export interface Handlers {
  /** The first turn of an activation. `config` is `capsules.config` of the node for this capsule; `resumed`: there are records of it. */
  start?(turn: Turn, config: Json, resumed: boolean): void;
  /** By topic. */
  readonly events?: { readonly [topic: string]: (turn: Turn, event: Json, info: EventInfo) => void };
  /** By topic, for a subscription with `batch`: the events of one partition in its order, as one turn. */
  readonly batches?: {
    readonly [topic: string]: (turn: Turn, events: readonly BatchEvent[], info: BatchInfo) => void;
  };
  /** By `<capability>.<method>`; the value returned is the answer. */
  readonly calls?: {
    readonly [method: string]: (turn: Turn, input: Json, info: CallInfo) => Json | Refusal | typeof later;
  };
  /** By the tag given to `turn.call` or `turn.read`. */
  readonly answers?: {
    readonly [tag: string]: (turn: Turn, answer: Answer, context: Json, callId: string) => void;
  };
  /** By the part of the timer's id before its first `:`. `dueAt` is what it was set to; `turn.at` may be later. */
  readonly timers?: {
    readonly [name: string]: (turn: Turn, payload: Json, id: string, dueAt: number) => void;
  };
}
