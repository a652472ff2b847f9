/**
 * One shard of one logic capsule: deliver -> turn -> commit -> release.
 *
 * Owns the shard's inbox and sandbox, and decides what goes into the sandbox next. Does not know where effects go (`release`), how a
 * sandbox works (`Sandbox`), or why the capsule is suspended. What there is besides the loop has a file each: how a shard starts
 * (`shard-start.ts`), which effects of others it has seen (`seen-effects.ts`), what an answered turn comes to (C3 in
 * `turn-settlement.ts`), what a host's death does (C4 and C5 in `lone-runs.ts`), records and their release (C1 and C2 in `shard-journal.ts`).
 */
import type { Delivery, Json } from "@vnes/schemas";
import type { EffectId } from "../../ledger/effect-id.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { SandboxInstance, SandboxMeters } from "../../ports/sandbox.ts";
import type { TopicFeed } from "../topics/topic-feed.ts";
import { CapsuleLines } from "./capsule-lines.ts";
import type { CapsuleShardParts } from "./capsule-shard-parts.ts";
import { DueDeliveries } from "./due-deliveries.ts";
import { isHostDeath } from "./host-trials.ts";
import { Inbox } from "./inbox.ts";
import { LoneRuns } from "./lone-runs.ts";
import { SeenEffects } from "./seen-effects.ts";
import { type Sent, SentBatches } from "./sent-batches.ts";
import { ShardJournal } from "./shard-journal.ts";
import { ShardStart } from "./shard-start.ts";
import { turnRequests } from "./turn-requests.ts";
import { TurnSettlement } from "./turn-settlement.ts";
import type { Waiting } from "./waiting.ts";

export class CapsuleShard {
  readonly name: string;
  readonly state: ShardState;
  readonly inbox: Inbox;
  readonly #parts: CapsuleShardParts;
  readonly #due: DueDeliveries;
  readonly #journal: ShardJournal;
  readonly #start: ShardStart;
  readonly #settlement: TurnSettlement;
  readonly #lone: LoneRuns;
  readonly #seen: SeenEffects;
  readonly #sent = new SentBatches();
  #instance: SandboxInstance | undefined;
  #isFilling = false;
  #running = false;
  #again = false;
  #open = false;
  #hasRun = false;
  #pumping: Promise<void> = Promise.resolve();
  restarts = 0;

  constructor(parts: CapsuleShardParts) {
    this.#parts = parts;
    this.name = parts.spec.instance;
    this.state = parts.state;
    this.inbox = new Inbox(
      () => this.#pump(),
      () => parts.isHeld(),
    );
    const { inbox } = this;
    this.#seen = new SeenEffects({ ...parts, inbox, whenDurable: (then) => this.whenDurable(then) });
    const due = new DueDeliveries({
      ...parts,
      due: (delivery) => inbox.push({ input: { from: "timer", delivery }, delivery, depth: 0 }),
      deadline: (delivery, depth) => this.receiveValue("kernel", delivery, depth),
    });
    const giveUp = (error: unknown): void => this.#giveUp(error);
    const journal = new ShardJournal({ ...parts, due, committed: () => this.#pump(), lost: giveUp });
    const start = new ShardStart({ ...parts, inbox, journal });
    const settlement = new TurnSettlement({
      ...parts,
      journal,
      due,
      lines: new CapsuleLines(parts, this.name),
      startAgain: (waiting, delayMs) => start.again(waiting, delayMs),
      started: () => start.done(),
      startFailed: (code, message) => {
        this.#open = false;
        start.failed(code, message);
      },
    });
    this.#lone = new LoneRuns({ ...parts, settlement, isOpen: () => this.#open, giveUp });
    this.#due = due;
    this.#journal = journal;
    this.#start = start;
    this.#settlement = settlement;
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

  /** Opens the sandbox. Rejects when the bundle does not load, or ends the host that loads it. */
  async load(): Promise<void> {
    this.#instance = await this.#lone.open();
  }

  /** Runs the start turn and resolves once it is durable; then everything else flows. */
  start(config: Json): Promise<void> {
    return this.#start.begin(config, () => this.run());
  }

  /** At the next start the events of the partition up to `position` count as consumed. */
  startAt(partition: string, position: number): void {
    this.#start.startAt(partition, position);
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
    this.#start.failed("PAUSED", "the shard was stopped before it had started");
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
    this.#lone.forgive();
  }

  /** An effect of another shard. What was seen before is confirmed and dropped. False when there is no room. */
  receive(source: EffectId, depth: number, delivery: Delivery, confirm: () => void): boolean {
    return this.#seen.receive(source, depth, delivery, confirm);
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
        this.#start.broke(error);
        this.#giveUp(error);
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
    return this.#open && !this.#start.isBetweenTries && this.#instance !== undefined && this.#journal.hasRoom;
  }

  #send(): void {
    while (this.#canSend) {
      const { first } = this.#sent;
      const { backlog } = this.inbox;
      const isAlone = this.#start.isUnderWay || this.inbox.first?.given?.goesAlone === true;
      const turns = isAlone ? (first === undefined ? 1 : 0) : this.#sent.room(backlog);
      if (turns === 0) return;
      const batch = this.inbox.take(backlog === 0 ? turns : this.#affordable(turns));
      if (batch.length === 0) return;
      const requests = turnRequests(batch, this.#parts, first !== undefined);
      this.#sent.add(batch, (this.#instance as SandboxInstance).deliver(requests));
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
      try {
        if (!isHostDeath(error)) throw error;
        this.#instance = undefined;
        left = await this.#lone.afterDeath(error, left);
        this.#instance = await this.#lone.reopen();
      } catch (problem) {
        // They wait until it is resumed.
        this.inbox.putBack(left);
        throw problem;
      }
      if (this.#instance !== undefined) this.restarts++;
      return left;
    }
  }

  /** It cannot go on by itself. */
  #giveUp(error: unknown): void {
    this.#open = false;
    this.#parts.giveUp(error);
  }
}
