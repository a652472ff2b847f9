/**
 * One shard of one logic capsule: deliver -> turn -> commit -> release.
 *
 * Owns the shard's inbox and sandbox. Does not know where effects go (`release`), how a sandbox works (`Sandbox`), or why
 * the capsule is suspended. What an answered turn comes to is settled in `turn-settlement.ts` (C3), records and their
 * release are the journal's (C1 and C2 in `shard-journal.ts`).
 *
 * C4. Deliveries in flight when a host dies are repeated one at a time, alone; one that kills again is recorded failed. Those that the
 *     host never heard of go to the next one as they are: a host of their own for each of its capsules would cost the whole node.
 * C5. Whose delivery kills again, or is stopped alone, shares no host for a while: who ends it in company only would do it without end.
 */
import type { Delivery, Json, TurnRequest, TurnResult } from "@vnes/schemas";
import { capsuleOf } from "../../bus/routing.ts";
import type { TurnRules } from "../../bus/turn-check.ts";
import { kernelErrors } from "../../errors.ts";
import { type EffectId, isAtOrBelow } from "../../ledger/effect-id.ts";
import type { Confirm, OutboxEntry } from "../../ledger/outbox.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Sandbox, SandboxInstance, SandboxMeters, SandboxSpec } from "../../ports/sandbox.ts";
import type { Counters } from "../node/counters.ts";
import type { CapsuleBudget } from "./capsule-budget.ts";
import { CapsuleLines } from "./capsule-lines.ts";
import { DueDeliveries } from "./due-deliveries.ts";
import { HostTrials, isHostDeath, wasIdle } from "./host-trials.ts";
import { Inbox } from "./inbox.ts";
import { type Sent, SentBatches } from "./sent-batches.ts";
import { ShardJournal } from "./shard-journal.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import type { TopicFeed } from "../topics/topic-feed.ts";
import { TurnSettlement, type TurnSettlementParts } from "./turn-settlement.ts";
import type { Waiting } from "./waiting.ts";

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
  /** Of the capsule: its shards share it. */
  readonly budget: CapsuleBudget;
  readonly lines: Log;
  /** Takes an effect that is durable now to its receiver; `confirm` says it need never be repeated. */
  release(entry: OutboxEntry, confirm: Confirm): void;
  /** True while a topic the capsule publishes to has no room. */
  isHeld(): boolean;
  /** A delivery was given up; the record is durable or, for an ephemeral one, not made. */
  readonly deadLetter: TurnSettlementParts["deadLetter"];
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
  readonly #due: DueDeliveries;
  readonly #journal: ShardJournal;
  readonly #hosts: HostTrials;
  readonly #settlement: TurnSettlement;
  /** Positions that count from the next start on, and are recorded with it. */
  readonly #positions: { readonly partition: string; readonly position: number }[] = [];
  /** Highest effect of each sender that is in the inbox or consumed. */
  readonly #seen = new Map<string, { seq: number; index: number }>();
  #instance: SandboxInstance | undefined;
  readonly #sent = new SentBatches();
  #isFilling = false;
  #running = false;
  #again = false;
  #open = false;
  #hasRun = false;
  /** The start turn waits for its next try: nothing may be delivered before it. */
  #isStartWaiting = false;
  #pumping: Promise<void> = Promise.resolve();
  #started: { resolve(): void; reject(error: unknown): void } | undefined;
  restarts = 0;

  constructor(parts: CapsuleShardParts) {
    this.#parts = parts;
    this.name = parts.spec.instance;
    this.state = parts.state;
    this.inbox = new Inbox(
      () => this.#pump(),
      () => parts.isHeld(),
    );
    this.#hosts = new HostTrials(parts);
    const { state, clock } = parts;
    this.#due = new DueDeliveries({
      state,
      clock,
      due: (delivery) => this.inbox.push({ input: { from: "timer", delivery }, delivery, depth: 0 }),
      deadline: (delivery, depth) => this.receiveValue("kernel", delivery, depth),
    });
    this.#journal = new ShardJournal({
      ...parts,
      due: this.#due,
      committed: () => this.#pump(),
      lost: (error) => {
        this.#open = false;
        parts.giveUp(error);
      },
    });
    this.#settlement = new TurnSettlement({
      ...parts,
      journal: this.#journal,
      due: this.#due,
      lines: new CapsuleLines(parts, this.name),
      startAgain: (start, delayMs) => this.#startAgain(start, delayMs),
      started: () => this.#startDone(),
      startFailed: (code, message) => this.#startFailed(code, message),
    });
    for (const [sender, watermark] of this.state.watermarks) this.#seen.set(sender, { ...watermark });
  }

  get turns(): number {
    return this.#settlement.turns;
  }

  get failedTurns(): number {
    return this.#settlement.failedTurns;
  }

  get deadLetters(): number {
    return this.#settlement.deadLetters;
  }

  /** Opens the sandbox. Rejects when the bundle does not load. */
  async load(): Promise<void> {
    this.#instance = await this.#parts.sandbox.open(this.#parts.spec);
  }

  /** Runs the start turn and resolves once it is durable; then everything else flows. */
  async start(config: Json): Promise<void> {
    const { spec, version } = this.#parts;
    const resumed = this.state.seq > 0;
    if (this.state.image !== spec.image.hash) await this.#journal.activate(spec.image.hash, version);
    for (const { partition, position } of this.#positions.splice(0)) {
      await this.#journal.setPosition(partition, position, "from_now");
    }
    const started = new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject };
    });
    const delivery: Delivery = { kind: "start", config, resumed };
    this.inbox.putBack([{ input: { from: "kernel", depth: 0, delivery }, delivery, depth: 0 }]);
    this.run();
    await started;
  }

  /** At the next start the events of the partition up to `position` count as consumed. */
  startAt(partition: string, position: number): void {
    this.#positions.push({ partition, position });
  }

  /** Delivers events of a partition again, from `next` on; resolves once that is durable. */
  async replayFrom(feed: TopicFeed, next: number): Promise<void> {
    const wasOpen = this.#open;
    await this.pause();
    await this.#journal.setPosition(feed.parts.partition.shard, next - 1, "replay");
    this.inbox.forget(feed);
    feed.moveTo(next);
    if (wasOpen) this.run();
  }

  /** Starts or goes on delivering. */
  run(): void {
    this.#open = true;
    this.#hasRun = true;
    this.inbox.setActive(true);
    this.#due.arm();
    this.#pump();
  }

  /** Stops delivering; resolves once what was running is durable. What waits keeps waiting. */
  async pause(): Promise<void> {
    this.#open = false;
    this.inbox.setActive(false);
    this.#due.disarm();
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

  /** Resolves once the state as it is now is durable; rejects when it will not be. */
  committed(): Promise<void> {
    return this.#parts.log.durable();
  }

  /** True while nothing is delivered to a capsule that was started: suspended. What comes before the start waits for it. */
  get isPaused(): boolean {
    return this.#hasRun && !this.#open;
  }

  async meters(): Promise<SandboxMeters | undefined> {
    return this.#instance?.meters().catch(() => undefined);
  }

  /** Whether something is being run, or waited for. */
  get isRunning(): boolean {
    return this.#running;
  }

  /** What runs it stands still until there is a turn again, where that can be; or goes on. */
  rest(isResting: boolean): void {
    this.#instance?.rest?.(isResting);
  }

  /** Forgets earlier kills: the capsule is to try again. */
  forgive(): void {
    this.#hosts.forgive();
  }

  /** An effect of another shard. What was seen before is confirmed and dropped. False when there is no room. */
  receive(source: EffectId, depth: number, delivery: Delivery, confirm: () => void): boolean {
    const seen = this.#seen.get(source.shard);
    if (isAtOrBelow(source, seen)) {
      this.#parts.counters.add("effect.duplicatesDropped");
      // Seen does not mean durable: a copy that still waits will confirm by itself.
      if (isAtOrBelow(source, this.state.watermarks.get(source.shard))) this.whenDurable(confirm);
      return true;
    }
    const { shard, seq, index } = source;
    const input = { from: "effect", shard, seq, index, depth, delivery } as const;
    if (!this.inbox.push({ input, delivery, depth, confirm })) return false;
    this.#seen.set(shard, { seq, index });
    return true;
  }

  /** Calls back once all turns so far are durable; never when the shard is lost first. */
  whenDurable(then: () => void): void {
    this.#parts.log.durable().then(then, () => undefined);
  }

  /** Something by value: from a person, a driver or the kernel. False when there is no room. */
  receiveValue(from: "kernel" | "control" | "device", delivery: Delivery, depth = 0): boolean {
    // With places for what every delivery gets: what is added to an object later lies in another one.
    const input = { from, depth, delivery };
    return this.inbox.push({ input, delivery, depth, order: 0, size: 0, turn: undefined, ran: undefined });
  }

  /** An event of an ephemeral topic. False when the capsule does not take it. */
  receiveEvent(delivery: Extract<Delivery, { kind: "event" }>): boolean {
    return this.inbox.pushEvent(delivery);
  }

  /** Something may have come, or may be taken again. */
  wake(): void {
    this.#pump();
  }

  #pump(): void {
    this.#again = this.#running;
    if (this.#running) return this.#fill();
    if (this.#canSend) this.#startPumping();
  }

  #startPumping(): void {
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

  /** Something came while a batch is on its way: another may go ahead of its answer. */
  #fill(): void {
    if (this.#isFilling || this.#sent.first === undefined) return;
    this.#isFilling = true;
    // Deliveries made in the same tick cross together.
    queueMicrotask(() => {
      this.#isFilling = false;
      if (this.#sent.first !== undefined) this.#send();
    });
  }

  async #drain(): Promise<void> {
    // Deliveries made in the same tick cross together.
    await Promise.resolve();
    for (;;) {
      this.#send();
      const { first } = this.#sent;
      if (first === undefined) return;
      this.inbox.putBack(await this.#settleSent(first));
    }
  }

  get #canSend(): boolean {
    return this.#open && !this.#isStartWaiting && this.#instance !== undefined && this.#journal.hasRoom;
  }

  #send(): void {
    while (this.#canSend) {
      const { first } = this.#sent;
      const { backlog } = this.inbox;
      const isAlone = this.#started !== undefined || this.inbox.first?.given?.goesAlone === true;
      const turns = isAlone ? (first === undefined ? 1 : 0) : this.#sent.room(backlog);
      if (turns === 0) return;
      const batch = this.inbox.take(backlog === 0 ? turns : this.#affordable(turns));
      if (batch.length === 0) return;
      this.#sent.add(batch, (this.#instance as SandboxInstance).deliver(this.#requests(batch)));
    }
  }

  /** Not asked for no turn: a capsule that wants none must not be held to want more than its budget. */
  #affordable(turns: number): number {
    // What is on its way is not spent yet.
    const out = this.#sent.turns;
    return Math.max(0, this.#parts.budget.room(turns + out) - out);
  }

  /** The oldest batch. Resolves with what has to be delivered again, in order. */
  async #settleSent({ batch, results }: Sent): Promise<readonly Waiting[]> {
    let left: readonly Waiting[] = [];
    try {
      const { again, poisoned } = this.#settlement.settle(batch, await results);
      left = again;
      const isWhole = again.length === 0 && !poisoned;
      this.#sent.settled(isWhole);
      if (isWhole) return [];
      const { batch: behind, hasRun } = await this.#sent.takeBack();
      left = [...again, ...behind];
      // The sandbox's cache holds writes the ledger does not: drop it before the rest runs again.
      if (poisoned || hasRun) await (this.#instance as SandboxInstance).reset();
      return left;
    } catch (error) {
      left = [...left, ...(await this.#sent.takeBack()).batch];
      if (!isHostDeath(error)) throw error;
      this.#lostHost(left, error.message);
      return wasIdle(error) ? await this.#reopen(left) : await this.#runAlone(left);
    }
  }

  #requests(batch: readonly Waiting[]): TurnRequest[] {
    const at = Math.max(this.state.at, this.#parts.clock.now());
    return batch.map((waiting) => {
      const { turn = 0, delivery, given } = waiting;
      const request = { turn, at, seed: this.#parts.random.seed(), delivery };
      waiting.ran = request;
      return given === undefined ? request : { ...request, keys: given.keys, ranges: given.ranges };
    });
  }

  #startAgain(start: Waiting, delayMs: number): void {
    const { clock } = this.#parts;
    this.#isStartWaiting = true;
    clock.wakeAt(clock.now() + delayMs, () => {
      this.#isStartWaiting = false;
      // Unless the shard was stopped meanwhile.
      if (this.#started !== undefined) this.inbox.putBack([start]);
    });
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
    const details = { capsule: this.name, id: capsuleOf(this.name), problem: `${code}: ${message}` };
    started?.reject(kernelErrors.create("CAPSULE_START_FAILED", details));
  }

  /** C4: one delivery at a time in a host of its own, so that the one to blame is known. Returns what did not run. */
  async #runAlone(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    let alone: SandboxInstance | undefined;
    const queue = [...batch];
    while (queue.length > 0 && this.#open) {
      const waiting = queue[0] as Waiting;
      if (waiting.feed?.isHolding === true) {
        waiting.feed.holdBehind(waiting);
        queue.shift();
        continue;
      }
      try {
        alone ??= await this.#hosts.openAlone(() => this.#open);
        if (alone === undefined) break;
        const results = await alone.deliver(this.#requests([waiting]));
        if (results.some(isStopped)) this.#hosts.suspect();
        const { again, poisoned } = this.#settlement.settle([waiting], results);
        if (again.length === 0) queue.shift();
        if (poisoned) await alone.reset();
      } catch (error) {
        if (!isHostDeath(error)) throw error;
        alone = undefined;
        if (queue[0] === waiting) {
          queue.shift();
          this.#killed(waiting, error.message);
        }
      }
    }
    await alone?.dispose();
    return await this.#reopen(queue);
  }

  /** What it was given is gone with it. */
  #lostHost(batch: readonly Waiting[], reason: string): void {
    this.#instance = undefined;
    this.#parts.counters.add("host.deaths");
    this.#parts.hostDied(reason);
    for (const waiting of batch) delete waiting.given;
  }

  #killed(waiting: Waiting, reason: string): void {
    this.#parts.counters.add("host.kills");
    this.#settlement.killed(waiting, kernelErrors.create("TURN_KILLED_HOST", { reason }));
    const tooOften = this.#hosts.killed(waiting.feed !== undefined);
    if (tooOften === undefined) return;
    this.#open = false;
    this.#parts.giveUp(tooOften);
  }

  /** Returns what is to run in it. */
  async #reopen(left: readonly Waiting[]): Promise<readonly Waiting[]> {
    this.#instance = await this.#hosts.open(() => this.#open);
    if (this.#instance !== undefined) this.restarts++;
    return left;
  }
}

/** For time or for memory: what it was about to take of them is not known. */
function isStopped(result: TurnResult): boolean {
  return result.kind === "failed" && (result.code === "TURN_DEADLINE" || result.code === "TURN_MEMORY");
}
