/**
 * One shard of one logic capsule: deliver -> turn -> commit -> release.
 *
 * Owns the shard's state, inbox and log. Does not know where effects go (`release`), how a sandbox works (`Sandbox`),
 * or why the capsule is suspended.
 *
 * C1. A turn's effects are released after its record is durable, in the order they were asked for.
 * C2. Turns run ahead of the commit on the speculative state; the log keeps their order, so a record never depends on
 *     one that was lost.
 * C3. Each delivery ends in exactly one record, or, if it was ephemeral and asked for nothing durable, in none.
 * C4. Deliveries in flight when a host dies are repeated one at a time, alone; one that kills again is recorded failed.
 */
import {
  isVnesError,
  type Delivery,
  type ErrorDetails,
  type Effect,
  type Json,
  type TurnRequest,
  type TurnResult,
} from "@vnes/schemas";
import { refusedEffect, type TurnRules } from "../bus/turn-check.ts";
import { isDurable } from "../bus/topics.ts";
import { kernelErrors } from "../errors.ts";
import { type EffectId, formatEffectId, isAtOrBelow } from "../ledger/effect-id.ts";
import type { Outcome, TurnRecord } from "../ledger/record.ts";
import { applyRecord, type OutboxEntry, releasedSeq, type ShardState } from "../ledger/shard-state.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Sandbox, SandboxInstance, SandboxMeters, SandboxSpec } from "../ports/sandbox.ts";
import { type BackOff, delayMs } from "./back-off.ts";
import type { Counters } from "./counters.ts";
import { DueQueue } from "./due-queue.ts";
import { Inbox, type Waiting } from "./inbox.ts";
import type { ShardLog } from "./shard-log.ts";

/** Turns that cross into a sandbox at once: enough to hide the wake-up, few enough to keep latency below a turn deadline. */
const BATCH_TURNS = 64;
/** Records that may wait for the disk before new turns do. */
const MAX_UNCOMMITTED = 4_096;
/** A host that dies is restarted at once the first time, then ever more slowly. */
const RESTART: BackOff = { firstMs: 10, maxMs: 5_000 };
/** A capsule that kills its host this often within the window is suspended. */
const MAX_KILLS = 3;
const KILL_WINDOW_MS = 60_000;
/** Timers and deadlines found due at once; the rest follow in the next round. */
const DUE_ROUND = 1_024;

export interface CapsuleShardParts {
  readonly spec: SandboxSpec;
  readonly version: string;
  readonly sandbox: Sandbox;
  readonly rules: TurnRules;
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  readonly lines: Log;
  /** Takes an effect that is durable now to its receiver; `confirm` says it need never be repeated. */
  release(entry: OutboxEntry, confirm: () => void): void;
  /** A delivery was given up; the record is durable or, for an ephemeral one, not made. */
  deadLetter(failed: { readonly delivery: Delivery; readonly code: string; readonly message: string }): void;
  /** The sandbox host died and was replaced. */
  hostDied(reason: string): void;
  /** The shard cannot go on by itself: the capsule must be suspended. */
  giveUp(error: unknown): void;
}

export class CapsuleShard {
  readonly name: string;
  readonly state: ShardState;
  readonly inbox: Inbox;
  readonly #parts: CapsuleShardParts;
  readonly #due = new DueQueue();
  readonly #queuedTimers = new Set<string>();
  /** Highest effect of each sender that is in the inbox or consumed. */
  readonly #seen = new Map<string, { seq: number; index: number }>();
  #instance: SandboxInstance | undefined;
  #running = false;
  #again = false;
  #open = false;
  #pumping: Promise<void> = Promise.resolve();
  #cancelWake: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #kills: number[] = [];
  #uncommitted = 0;
  #started: { resolve(): void; reject(error: unknown): void } | undefined;
  turns = 0;
  failedTurns = 0;
  deadLetters = 0;
  restarts = 0;

  constructor(parts: CapsuleShardParts) {
    this.#parts = parts;
    this.name = parts.spec.instance;
    this.state = parts.state;
    this.inbox = new Inbox(
      () => this.#pump(),
      (error) => parts.giveUp(error),
    );
    for (const [id, timer] of this.state.timers) this.#due.push({ at: timer.at, id: timerDue(id) });
    for (const call of this.state.pending.values()) {
      this.#due.push({ at: call.deadlineAt, id: callDue(call.callId) });
    }
    for (const [sender, watermark] of this.state.watermarks) this.#seen.set(sender, { ...watermark });
  }

  /** Opens the sandbox. Rejects when the bundle does not load. */
  async load(): Promise<void> {
    this.#instance = await this.#parts.sandbox.open(this.#parts.spec);
  }

  /** Runs the start turn and resolves once it is durable; then everything else flows. */
  async start(config: Json): Promise<void> {
    const { spec, version, log, clock } = this.#parts;
    const resumed = this.state.seq > 0;
    if (this.state.image !== spec.image.hash) {
      this.state.at = Math.max(this.state.at, clock.now());
      const record = {
        v: 1,
        kind: "activation",
        seq: this.state.seq + 1,
        at: this.state.at,
        image: spec.image.hash,
        version,
      } as const;
      applyRecord(this.state, record);
      await log.append([record]);
    }
    const started = new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject };
    });
    const delivery: Delivery = { kind: "start", config, resumed };
    this.inbox.putBack([{ input: { from: "kernel", depth: 0, delivery }, delivery, depth: 0 }]);
    this.run();
    await started;
  }

  /** Starts or goes on delivering. */
  run(): void {
    this.#open = true;
    this.#arm();
    this.#pump();
  }

  /** Stops delivering; resolves once what was running is durable. What waits keeps waiting. */
  async pause(): Promise<void> {
    this.#open = false;
    this.#disarm();
    // A start turn that will not run any more must not be waited for.
    this.#startFailed("PAUSED", "the shard was stopped before it had started");
    await this.#pumping;
    await this.#parts.log.settled();
  }

  /** Gives the sandbox back. */
  async unload(): Promise<void> {
    await this.pause();
    const instance = this.#instance;
    this.#instance = undefined;
    await instance?.dispose();
  }

  /** True while nothing is delivered: suspended, or not started yet. */
  get isPaused(): boolean {
    return !this.#open;
  }

  async meters(): Promise<SandboxMeters | undefined> {
    return this.#instance?.meters().catch(() => undefined);
  }

  /** Forgets earlier kills: a person has decided to try again. */
  forgive(): void {
    this.#kills = [];
  }

  /** An effect of another shard. What was seen before is confirmed and dropped. False when there is no room. */
  receive(source: EffectId, depth: number, delivery: Delivery, confirm: () => void): boolean {
    const seen = this.#seen.get(source.shard);
    if (isAtOrBelow(source, seen)) {
      this.#parts.counters.add("effect.duplicatesDropped");
      // Seen does not mean durable: a copy that still waits will confirm by itself.
      if (isAtOrBelow(source, this.state.watermarks.get(source.shard))) confirm();
      return true;
    }
    const { shard, seq, index } = source;
    const input = { from: "effect", shard, seq, index, depth, delivery } as const;
    if (!this.inbox.push({ input, delivery, depth, confirm })) return false;
    this.#seen.set(shard, { seq, index });
    return true;
  }

  /** Something by value: from a person, a driver, the kernel, or an ephemeral topic. False when there is no room. */
  receiveValue(from: "kernel" | "control" | "device" | "ephemeral", delivery: Delivery, depth = 0): boolean {
    return this.inbox.push({ input: { from, depth, delivery }, delivery, depth });
  }

  #pump(): void {
    this.#again = this.#running;
    if (this.#running || !this.#open || this.#instance === undefined) return;
    if (this.#uncommitted >= MAX_UNCOMMITTED) return;
    this.#running = true;
    this.#pumping = this.#drain()
      .catch((error: unknown) => {
        this.#open = false;
        this.#started?.reject(error);
        this.#parts.giveUp(error);
      })
      .finally(() => {
        this.#running = false;
        // Woken after the last look into the inbox and before now.
        if (this.#again) this.#pump();
      });
  }

  async #drain(): Promise<void> {
    // Deliveries made in the same tick cross together.
    await Promise.resolve();
    while (this.#open && this.#uncommitted < MAX_UNCOMMITTED) {
      const batch = this.inbox.take(this.#started === undefined ? BATCH_TURNS : 1);
      if (batch.length === 0) return;
      await this.#runBatch(batch);
    }
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    const instance = this.#instance as SandboxInstance;
    let left = batch;
    try {
      const results = await instance.deliver(this.#requests(batch));
      const { again, poisoned } = this.#settleBatch(batch, results);
      left = again;
      // The sandbox's cache holds writes the ledger does not: drop it before the rest runs again.
      if (poisoned) await instance.reset();
    } catch (error) {
      if (!isHostDeath(error)) throw error;
      left = await this.#runAlone(left, reasonOf(error));
    }
    this.inbox.putBack(left);
  }

  #requests(batch: readonly Waiting[]): TurnRequest[] {
    const at = Math.max(this.state.at, this.#parts.clock.now());
    return batch.map((waiting) => {
      const { turn = 0, delivery, keys, ranges } = waiting;
      const request = { turn, at, seed: this.#parts.random.seed(), delivery };
      waiting.ran = { at: request.at, seed: request.seed };
      return keys === undefined ? request : { ...request, keys, ranges: ranges ?? [] };
    });
  }

  /** Turns results into records, in order. `again`: what has to be delivered again, in order. */
  #settleBatch(
    batch: readonly Waiting[],
    results: readonly TurnResult[],
  ): { readonly again: readonly Waiting[]; readonly poisoned: boolean } {
    const records: TurnRecord[] = [];
    const confirms: (() => void)[] = [];
    let again: readonly Waiting[] = [];
    let poisoned = false;
    for (const [index, waiting] of batch.entries()) {
      const result = results[index] as TurnResult;
      const endless = result.kind === "needKeys" && (waiting.rounds ?? 0) >= MAX_KEY_ROUNDS;
      if (result.kind === "needKeys" && !endless) {
        this.#serveKeys(waiting, result.keys, result.ranges);
        again = batch.slice(index);
        break;
      }
      const verdict = this.#judge(waiting, result.kind === "needKeys" ? asksForEver(result.turn) : result);
      if (verdict.record !== undefined) {
        records.push(verdict.record);
        if (waiting.confirm !== undefined) confirms.push(waiting.confirm);
      } else {
        waiting.confirm?.();
      }
      if (verdict.poisoned) {
        again = batch.slice(index + 1);
        poisoned = true;
        break;
      }
    }
    this.#commit(records, confirms);
    return { again, poisoned };
  }

  #serveKeys(waiting: Waiting, keys: readonly string[], ranges: readonly string[]): void {
    waiting.rounds = (waiting.rounds ?? 0) + 1;
    waiting.keys ??= [];
    waiting.ranges ??= [];
    const { state } = this;
    // A small state crosses whole the first time anything is missing; one key a turn would be one crossing a key.
    const whole = isSmall(state.keys);
    const give = (key: string): void => {
      const value = state.keys.get(key);
      waiting.keys?.push(value === undefined ? [key] : [key, value]);
    };
    for (const key of keys) give(key);
    for (const prefix of whole ? [""] : ranges) {
      for (const key of state.keys.keys()) if (key.startsWith(prefix)) give(key);
      waiting.ranges.push(prefix);
    }
  }

  /** What becomes of one finished turn. `poisoned` when the sandbox believes in writes that are not in the ledger. */
  #judge(
    waiting: Waiting,
    result: Exclude<TurnResult, { kind: "needKeys" }>,
  ): { readonly record?: TurnRecord; readonly poisoned: boolean } {
    const { delivery } = waiting;
    if (delivery.kind === "timer") this.#queuedTimers.delete(delivery.id);
    if (this.#isStale(delivery)) {
      this.#parts.counters.add(`turn.stale.${delivery.kind}`);
      return { poisoned: result.kind === "done" && writes(result) };
    }
    this.turns++;
    if (result.kind === "failed") return { ...this.#failed(waiting, result), poisoned: false };
    this.#print(result);
    const current = delivery.kind === "call" ? delivery : undefined;
    const refused = refusedEffect(result.effects, this.#parts.rules, this.state, current);
    if (refused !== undefined) {
      return { ...this.#failed(waiting, refused), poisoned: writes(result) };
    }
    if (delivery.kind === "start") this.#startDone();
    if (this.#isWorthNoRecord(waiting, result.effects)) {
      this.#releaseUnrecorded(waiting, result.effects);
      return { poisoned: false };
    }
    return { record: this.#record(waiting, "ok", result.effects), poisoned: false };
  }

  /** A timer that was replaced or cancelled, or an answer to a call that has ended, while it waited. */
  #isStale(delivery: Delivery): boolean {
    if (delivery.kind === "timer") return this.state.timers.get(delivery.id)?.at !== delivery.dueAt;
    if (delivery.kind === "answer") return !this.state.pending.has(delivery.callId);
    return false;
  }

  /** The record of a failed turn; none for an ephemeral delivery, which is counted and answered only. */
  #failed(waiting: Waiting, failure: Failure): { readonly record?: TurnRecord } {
    const { code, message } = failure;
    const effects = this.#giveUpDelivery(waiting.delivery, failure);
    if (waiting.input.from === "ephemeral" || waiting.input.from === "control") {
      this.#releaseUnrecorded(waiting, effects);
      return {};
    }
    return { record: this.#record(waiting, { failed: code, message }, effects) };
  }

  /** Counts and reports; returns what the kernel says in the capsule's place. */
  #giveUpDelivery(delivery: Delivery, { code, message, details }: Failure): Effect[] {
    this.failedTurns++;
    this.deadLetters++;
    this.#parts.counters.add(`turn.failed.${code}`);
    this.#parts.deadLetter({ delivery, code, message });
    if (delivery.kind === "start") this.#startFailed(code, message);
    if (delivery.kind !== "call") return [];
    const known = details === undefined ? {} : { details: JSON.parse(JSON.stringify(details)) as Json };
    return [{ do: "answer", callId: delivery.callId, answer: { ok: false, code, message, ...known } }];
  }

  #record(waiting: Waiting, outcome: Outcome, effects: readonly Effect[]): TurnRecord {
    const ran = waiting.ran ?? { at: this.state.at, seed: "" };
    const record: TurnRecord = {
      v: 1,
      kind: "turn",
      seq: this.state.seq + 1,
      at: Math.max(this.state.at, ran.at),
      seed: ran.seed,
      input: waiting.input,
      outcome,
      effects,
      released: releasedSeq(this.state),
    };
    applyRecord(this.state, record);
    this.#schedule(record);
    return record;
  }

  #schedule(record: TurnRecord): void {
    record.effects.forEach((effect, index) => {
      if (effect.do === "setTimer") this.#due.push({ at: effect.at, id: timerDue(effect.id) });
      if (effect.do === "call") {
        const callId = formatEffectId({ shard: this.name, seq: record.seq, index });
        this.#due.push({ at: record.at + effect.timeoutMs, id: callDue(callId) });
      }
    });
    const live = this.state.timers.size + this.state.pending.size;
    if (this.#due.size > 1_024 && this.#due.size > 4 * live)
      this.#due.prune((due) => this.#isLive(due.id, due.at));
    this.#arm();
  }

  #commit(records: readonly TurnRecord[], confirms: readonly (() => void)[]): void {
    if (records.length === 0) return;
    this.#uncommitted += records.length;
    this.#parts.log.append(records).then(
      () => {
        this.#uncommitted -= records.length;
        for (const confirm of confirms) confirm();
        for (const record of records) this.#release(record);
        this.#pump();
      },
      (error: unknown) => {
        this.#open = false;
        this.#parts.giveUp(error);
      },
    );
  }

  #release(record: TurnRecord): void {
    record.effects.forEach((_, index) => {
      const id = formatEffectId({ shard: this.name, seq: record.seq, index });
      const entry = this.state.outbox.get(id);
      if (entry !== undefined) this.releaseEntry(id, entry);
    });
  }

  /** Sends one effect on its way; recovery calls it for what was not confirmed before the crash. */
  releaseEntry(id: string, entry: OutboxEntry): void {
    this.#parts.release(entry, () => this.state.outbox.delete(id));
  }

  /** Ephemeral input, no durable effect: nothing would be different had it been lost. */
  #isWorthNoRecord({ input, delivery }: Waiting, effects: readonly Effect[]): boolean {
    if (input.from !== "control" && input.from !== "ephemeral" && input.from !== "kernel") return false;
    if (delivery.kind === "start" || delivery.kind === "answer" || delivery.kind === "timer") return false;
    let answered = delivery.kind !== "call";
    for (const effect of effects) {
      if (effect.do === "answer" && delivery.kind === "call" && effect.callId === delivery.callId)
        answered = true;
      else if (effect.do !== "publish" || this.#isDurableTopic(effect.topic)) return false;
    }
    return answered;
  }

  #isDurableTopic(name: string): boolean {
    const topic = this.#parts.rules.topics.get(name);
    return topic !== undefined && isDurable(topic);
  }

  #releaseUnrecorded(waiting: Waiting, effects: readonly Effect[]): void {
    this.#parts.counters.add("turn.unrecorded");
    const at = waiting.ran?.at ?? this.state.at;
    // Its answer may tell of turns that are not durable yet: it waits for them.
    void this.#parts.log.settled().then(() => {
      effects.forEach((effect, index) => {
        if (effect.do !== "publish" && effect.do !== "answer") return;
        const id = { shard: this.name, seq: 0, index };
        this.#parts.release({ id, at, depth: waiting.depth, effect }, () => undefined);
      });
    });
  }

  #print(result: Extract<TurnResult, { kind: "done" }>): void {
    for (const line of result.logs ?? []) {
      const data = line.data === undefined ? {} : { data: line.data };
      this.#parts.lines[line.level]({ capsule: this.name, ...data }, line.message);
    }
  }

  #startDone(): void {
    const started = this.#started;
    this.#started = undefined;
    if (started !== undefined)
      void Promise.resolve().then(() => this.#parts.log.settled().then(started.resolve));
  }

  #startFailed(code: string, message: string): void {
    const started = this.#started;
    this.#started = undefined;
    this.#open = false;
    const details = { capsule: this.name, problem: `${code}: ${message}` };
    started?.reject(kernelErrors.create("CAPSULE_START_FAILED", details));
  }

  /** C4: one delivery at a time in a host of its own, so that the one to blame is known. Returns what did not run. */
  async #runAlone(batch: readonly Waiting[], reason: string): Promise<readonly Waiting[]> {
    const { spec, hostDied, counters } = this.#parts;
    this.#instance = undefined;
    counters.add("host.deaths");
    hostDied(reason);
    let alone: SandboxInstance | undefined;
    const queue = [...batch];
    for (const waiting of queue) {
      delete waiting.keys;
      delete waiting.ranges;
    }
    while (queue.length > 0 && this.#open) {
      const waiting = queue[0] as Waiting;
      try {
        alone ??= await this.#openPatiently({ ...spec, group: `alone/${spec.instance}` });
        if (alone === undefined) break;
        const results = await alone.deliver(this.#requests([waiting]));
        const { again, poisoned } = this.#settleBatch([waiting], results);
        if (again.length === 0) queue.shift();
        if (poisoned) await alone.reset();
      } catch (error) {
        if (!isHostDeath(error)) throw error;
        alone = undefined;
        if (queue[0] === waiting) {
          queue.shift();
          this.#killed(waiting, reasonOf(error));
        }
      }
    }
    await alone?.dispose();
    await this.#reopen();
    return queue;
  }

  #killed(waiting: Waiting, reason: string): void {
    const { clock, counters, spec } = this.#parts;
    const now = clock.now();
    counters.add("host.kills");
    this.#kills = [...this.#kills.filter((at) => at > now - KILL_WINDOW_MS), now];
    const { code, message } = kernelErrors.create("TURN_KILLED_HOST", { reason });
    const effects = this.#giveUpDelivery(waiting.delivery, { code, message });
    const confirms = waiting.confirm === undefined ? [] : [waiting.confirm];
    this.#commit([this.#record(waiting, { failed: code, message }, effects)], confirms);
    if (this.#kills.length < MAX_KILLS) return;
    this.#open = false;
    const details = { capsule: spec.instance, kills: this.#kills.length, windowMs: KILL_WINDOW_MS };
    this.#parts.giveUp(kernelErrors.create("CAPSULE_KEEPS_KILLING", details));
  }

  async #reopen(): Promise<void> {
    this.#instance = await this.#openPatiently(this.#parts.spec);
    if (this.#instance !== undefined) this.restarts++;
  }

  /** Tries until a host starts, with bounded back-off; undefined when the shard was stopped meanwhile. */
  async #openPatiently(spec: SandboxSpec): Promise<SandboxInstance | undefined> {
    const { sandbox, clock } = this.#parts;
    for (let attempt = 0; this.#open; attempt++) {
      try {
        return await sandbox.open(spec);
      } catch (error) {
        if (!isHostDeath(error) && !(isVnesError(error) && error.retry)) throw error;
        await new Promise<void>((resolve) => {
          clock.wakeAt(clock.now() + delayMs(RESTART, attempt), resolve);
        });
      }
    }
    return undefined;
  }

  // --- what is due ---------------------------------------------------------------------------------------------

  #arm(): void {
    const next = this.#due.next();
    if (!this.#open || next === undefined || next >= this.#wakeAt) return;
    this.#disarm();
    this.#wakeAt = next;
    this.#cancelWake = this.#parts.clock.wakeAt(next, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#fire();
    });
  }

  #disarm(): void {
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    const now = this.#parts.clock.now();
    for (let round = 0; round < DUE_ROUND; round++) {
      const due = this.#due.pop(now);
      if (due === undefined) break;
      if (!this.#isLive(due.id, due.at)) continue;
      const id = due.id.slice(2);
      if (due.id.startsWith(TIMER)) this.#fireTimer(id);
      else this.#fireDeadline(id);
    }
    this.#arm();
  }

  #isLive(id: string, at: number): boolean {
    const name = id.slice(2);
    if (id.startsWith(TIMER)) return this.state.timers.get(name)?.at === at;
    return this.state.pending.get(name)?.deadlineAt === at;
  }

  #fireTimer(id: string): void {
    const timer = this.state.timers.get(id);
    if (timer === undefined || this.#queuedTimers.has(id)) return;
    this.#queuedTimers.add(id);
    const delivery: Delivery = { kind: "timer", id, dueAt: timer.at, payload: timer.payload };
    this.inbox.push({ input: { from: "timer", delivery }, delivery, depth: 0 });
  }

  #fireDeadline(callId: string): void {
    const call = this.state.pending.get(callId);
    if (call === undefined) return;
    const { capability, method, tag, context, depth } = call;
    const timeoutMs = call.deadlineAt - this.state.at;
    const { code, message } = kernelErrors.create("CALL_TIMEOUT", {
      capability,
      method,
      timeoutMs: Math.max(0, timeoutMs),
    });
    const answer = { ok: false, code, message } as const;
    this.receiveValue("kernel", { kind: "answer", callId, tag, context, answer }, depth);
  }
}

/** A turn asks for what it misses at once or in a few steps; one that goes on asking would hold its shard for ever. */
const MAX_KEY_ROUNDS = 1_000;

function asksForEver(turn: number): Extract<TurnResult, { kind: "failed" }> {
  const { code, message } = kernelErrors.create("TURN_KEYS_ENDLESS", { limit: MAX_KEY_ROUNDS });
  return { turn, kind: "failed", code, message };
}

/** A state up to this is handed over whole: a fraction of what the sandbox caches, a few milliseconds to cross. */
const WHOLE_STATE_KEYS = 4_096;
const WHOLE_STATE_BYTES = 1024 * 1024;

function isSmall(keys: ReadonlyMap<string, Json>): boolean {
  if (keys.size > WHOLE_STATE_KEYS) return false;
  let bytes = 0;
  for (const [key, value] of keys) {
    bytes += key.length + JSON.stringify(value).length;
    if (bytes > WHOLE_STATE_BYTES) return false;
  }
  return true;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details?: ErrorDetails;
}

const TIMER = "t:";

function timerDue(id: string): string {
  return `${TIMER}${id}`;
}

function callDue(callId: string): string {
  return `c:${callId}`;
}

function writes(result: { readonly effects: readonly Effect[] }): boolean {
  return result.effects.some((effect) => effect.do === "write" || effect.do === "delete");
}

function isHostDeath(error: unknown): boolean {
  return isVnesError(error) && error.code === "SANDBOX_HOST_DIED";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
