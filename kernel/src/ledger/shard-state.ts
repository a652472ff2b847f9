/**
 * What a shard's records add up to. The running kernel and recovery use this one fold, so what was acted upon and what
 * is recovered cannot differ.
 *
 * L1. `applyRecord` depends on the state and the record only.
 * L2. `seq` rises by one and `at` never falls.
 * L3. A failed turn changes watermarks, positions, timers, expired keys and pending calls by its input, and nothing by its effects
 *     but what the kernel says in its place: the answer to a call, the dead letter of a kept event.
 */
import type { Delivery, Effect, Json } from "@vnes/schemas";
import { type EffectId, formatEffectId, type Watermark } from "./effect-id.ts";
import { keepFact } from "./kept-facts.ts";
import { Outbox } from "./outbox.ts";
import type { KernelRecord, LedgerRecord, TurnRecord } from "./record.ts";
import { requestOf } from "./state-request.ts";
import { TrackedMap } from "./tracked-map.ts";

/** What stands for a read of state where a call has its capability and method. */
export const STATE_CAPABILITY = "vnes.state";
const READ_METHOD = "read";

/** A call or a read this shard made and that has not ended. */
export interface PendingCall {
  readonly callId: string;
  readonly tag: string;
  readonly context: Json;
  readonly capability: string;
  readonly method: string;
  readonly input: Json;
  readonly deadlineAt: number;
  readonly depth: number;
}

/** A provider that never answers must not grow for ever: beyond this, calls nobody waits for any more are forgotten. */
const MAX_OPEN_CALLS = 65_536;

/** A call this shard was asked and has not answered. */
export interface OpenCall {
  readonly capability: string;
  readonly method: string;
  readonly deadlineAt: number;
}

export interface Timer {
  readonly at: number;
  readonly payload: Json;
}

export interface ShardState {
  readonly shard: string;
  seq: number;
  at: number;
  /** Hash of the image the shard's latest turns ran; null before the first activation. */
  image: string | null;
  readonly keys: TrackedMap<Json>;
  /** Seq of the record that last wrote each key. */
  readonly versions: TrackedMap<number>;
  /** Node time at which a key expires, of those that do. */
  readonly expiries: TrackedMap<number>;
  /** Of keys, values, timer ids and payloads (`sizeOf`): what the shard keeps in the kernel's memory. */
  size: number;
  readonly timers: TrackedMap<Timer>;
  readonly pending: TrackedMap<PendingCall>;
  readonly open: TrackedMap<OpenCall>;
  /** By sending shard. */
  readonly watermarks: TrackedMap<Watermark>;
  /** By topic partition: seq of the last event consumed. */
  readonly positions: TrackedMap<number>;
  readonly outbox: Outbox;
  /** Of the kernel's own shard: the latest fact of each name that boot asks for (`kept-facts.ts`). */
  readonly facts: TrackedMap<KernelRecord["fact"]>;
}

export function emptyShard(shard: string): ShardState {
  return {
    shard,
    seq: 0,
    at: 0,
    image: null,
    keys: new TrackedMap(),
    versions: new TrackedMap(),
    expiries: new TrackedMap(),
    size: 0,
    timers: new TrackedMap(),
    pending: new TrackedMap(),
    open: new TrackedMap(),
    watermarks: new TrackedMap(),
    positions: new TrackedMap(),
    outbox: new Outbox(),
    facts: new TrackedMap(),
  };
}

/** Folds one record into the state, in place. The caller has checked the chain. */
export function applyRecord(state: ShardState, record: LedgerRecord): void {
  state.seq = record.seq;
  state.at = Math.max(state.at, record.at);
  switch (record.kind) {
    case "activation":
      state.image = record.image;
      return;
    case "turn":
      applyTurn(state, record);
      return;
    case "kernel":
      state.outbox.confirmUpTo(record.released);
      keepFact(state.facts, record.fact);
      record.effects.forEach((effect, index) => {
        applyEffect(state, effect, { shard: state.shard, seq: record.seq, index }, record.at, 0);
      });
      return;
    case "snapshot":
      return;
    case "event":
      state.watermarks.set(record.source.shard, { seq: record.source.seq, index: record.source.index });
      return;
    case "position":
      state.positions.set(record.partition, record.position);
      return;
  }
}

function applyTurn(state: ShardState, record: TurnRecord): void {
  state.outbox.confirmUpTo(record.released);
  const { input } = record;
  let depth = 0;
  if (input.from === "topic") {
    state.positions.set(input.shard, input.seq);
  } else {
    if (input.from === "effect") state.watermarks.set(input.shard, { seq: input.seq, index: input.index });
    depth = input.from === "timer" ? 0 : input.depth;
    const { delivery } = input;
    if (delivery.kind === "answer") state.pending.delete(delivery.callId);
    if (delivery.kind === "timer") dropTimer(state, delivery.id);
    if (delivery.kind === "expiry") dropExpired(state, delivery);
    // A call that its own turn answers, as most do, was never open.
    if (delivery.kind === "call" && !answers(record.effects, delivery.callId)) {
      const { capability, method, deadlineAt } = delivery;
      state.open.set(delivery.callId, { capability, method, deadlineAt });
      if (state.open.size > MAX_OPEN_CALLS) forgetExpired(state);
    }
  }
  for (let index = 0; index < record.effects.length; index++) {
    const id = { shard: state.shard, seq: record.seq, index };
    applyEffect(state, record.effects[index] as Effect, id, record.at, depth);
  }
}

function answers(effects: readonly Effect[], callId: string): boolean {
  for (const effect of effects) if (effect.do === "answer" && effect.callId === callId) return true;
  return false;
}

function applyEffect(state: ShardState, effect: Effect, id: EffectId, at: number, depth: number): void {
  switch (effect.do) {
    case "write":
      // Overwritten in place: a map that deletes and adds is built anew every few writes.
      state.size += sizeOfWrite(effect) - sizeOfKey(state, effect.key);
      state.keys.set(effect.key, effect.value);
      state.versions.set(effect.key, id.seq);
      if (effect.ttlMs === undefined) state.expiries.delete(effect.key);
      else state.expiries.set(effect.key, at + effect.ttlMs);
      return;
    case "delete":
      dropKey(state, effect.key);
      return;
    case "setTimer":
      state.size += sizeOf(effect.id, effect.payload) - sizeOfTimer(state, effect.id);
      state.timers.set(effect.id, { at: effect.at, payload: effect.payload });
      return;
    case "cancelTimer":
      dropTimer(state, effect.id);
      return;
    case "publish":
      state.outbox.add({ id, at, depth, effect });
      return;
    case "answer":
      state.open.delete(effect.callId);
      state.outbox.add({ id, at, depth, effect });
      return;
    case "call":
    case "read": {
      const callId = formatEffectId(id);
      state.outbox.add({ id, at, depth: depth + 1, effect });
      const { tag, context } = effect;
      state.pending.set(callId, {
        callId,
        tag,
        context,
        ...askedBy(effect),
        deadlineAt: at + effect.timeoutMs,
        depth,
      });
      return;
    }
  }
}

function askedBy(
  effect: Extract<Effect, { do: "call" | "read" }>,
): Pick<PendingCall, "capability" | "method" | "input"> {
  if (effect.do === "call")
    return { capability: effect.capability, method: effect.method, input: effect.input };
  return { capability: STATE_CAPABILITY, method: READ_METHOD, input: requestOf(effect) as unknown as Json };
}

/**
 * What one key or timer counts: its name, its JSON, and what a map entry costs beside them. A text is as long as it is kept, whatever
 * its JSON would escape: it is counted again with each write and each write over it, and writing it out takes longer than the fold.
 */
export function sizeOf(name: string, value: Json): number {
  return name.length + lengthOf(value) + ENTRY_SIZE;
}

function lengthOf(value: Json): number {
  if (typeof value === "string") return value.length + 2;
  // What `JSON.stringify` makes of one, at a fraction of its cost.
  return typeof value === "number" ? `${value}`.length : JSON.stringify(value).length;
}

/** From what is kept: a snapshot of an earlier version counted in another way. */
export function sizeOfAll({ keys, expiries, timers }: ShardState): number {
  let size = expiries.size * EXPIRY_SIZE;
  for (const [key, value] of keys) size += sizeOf(key, value);
  for (const [id, { payload }] of timers) size += sizeOf(id, payload);
  return size;
}

/** A map entry each for a key's value and its version. */
const ENTRY_SIZE = 96;
/** What remembering when a key expires costs on top. */
const EXPIRY_SIZE = 64;

export function sizeOfWrite({ key, value, ttlMs }: Extract<Effect, { do: "write" }>): number {
  return sizeOf(key, value) + (ttlMs === undefined ? 0 : EXPIRY_SIZE);
}

/** What deleting the key would free. */
export function sizeOfKey(state: ShardState, key: string): number {
  const value = state.keys.get(key);
  if (value === undefined) return 0;
  return sizeOf(key, value) + (state.expiries.has(key) ? EXPIRY_SIZE : 0);
}

function dropKey(state: ShardState, key: string): void {
  state.size -= sizeOfKey(state, key);
  state.keys.delete(key);
  state.versions.delete(key);
  state.expiries.delete(key);
}

/** By its input alone, so that a capsule cannot keep what has expired. A key written since is another version, and stays. */
function dropExpired(state: ShardState, { key, version }: Extract<Delivery, { kind: "expiry" }>): void {
  if (state.versions.get(key) === version) dropKey(state, key);
}

function dropTimer(state: ShardState, id: string): void {
  state.size -= sizeOfTimer(state, id);
  state.timers.delete(id);
}

function sizeOfTimer(state: ShardState, id: string): number {
  const timer = state.timers.get(id);
  return timer === undefined ? 0 : sizeOf(id, timer.payload);
}

/** The seq up to which every effect has reached its receiver: what a record carries as `released`. */
export function releasedSeq(state: ShardState): number {
  const { first } = state.outbox;
  return first === undefined ? state.seq : first.id.seq - 1;
}

function forgetExpired(state: ShardState): void {
  for (const [callId, call] of state.open) if (call.deadlineAt < state.at) state.open.delete(callId);
}
