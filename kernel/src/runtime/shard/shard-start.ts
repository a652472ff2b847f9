/**
 * How one shard starts: its activation is recorded, then the positions it begins at, then its start turn runs. Owns who waits for that.
 * What the start turn comes to is settled as that of any other delivery (`turn-settlement.ts`), and told here.
 *
 * ST1. The start turn runs alone and before everything that waits; between its tries nothing runs.
 * ST2. Whoever waits for the start hears once: that it is durable, or why there was none. A shard that stops has not started.
 */
import type { Delivery, Json } from "@vnes/schemas";
import { capsuleOf } from "../../bus/routing.ts";
import { kernelErrors } from "../../errors.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { SandboxSpec } from "../../ports/sandbox.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import type { Inbox } from "./inbox.ts";
import type { ShardJournal } from "./shard-journal.ts";
import type { Waiting } from "./waiting.ts";

export interface ShardStartParts {
  readonly spec: SandboxSpec;
  readonly version: string;
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly clock: Clock;
  readonly inbox: Inbox;
  readonly journal: ShardJournal;
}

export class ShardStart {
  readonly #parts: ShardStartParts;
  /** They count from the next start on, and are recorded with it. */
  readonly #positions: { readonly partition: string; readonly position: number }[] = [];
  #started: PromiseWithResolvers<void> | undefined;
  #isBetweenTries = false;

  constructor(parts: ShardStartParts) {
    this.#parts = parts;
  }

  /** The start turn has not ended yet: what is sent is sent alone. */
  get isUnderWay(): boolean {
    return this.#started !== undefined;
  }

  /** The start turn waits for its next try: nothing may be delivered before it. */
  get isBetweenTries(): boolean {
    return this.#isBetweenTries;
  }

  /** At the next start the events of the partition up to `position` count as consumed. */
  startAt(partition: string, position: number): void {
    this.#positions.push({ partition, position });
  }

  /** Resolves once the start turn is durable. `run` lets the shard deliver. */
  async begin(config: Json, run: () => void): Promise<void> {
    const { spec, version, state, inbox, journal } = this.#parts;
    const resumed = state.seq > 0;
    if (state.image !== spec.image.hash) await journal.activate(spec.image.hash, version);
    for (const { partition, position } of this.#positions.splice(0)) {
      await journal.setPosition(partition, position, "from_now");
    }
    const started = Promise.withResolvers<void>();
    this.#started = started;
    const delivery: Delivery = { kind: "start", config, resumed };
    inbox.putBack([{ input: { from: "kernel", depth: 0, delivery }, delivery, depth: 0 }]);
    run();
    await started.promise;
  }

  /** The start turn failed, and is worth another try after `delayMs`. */
  again(start: Waiting, delayMs: number): void {
    const { clock, inbox } = this.#parts;
    this.#isBetweenTries = true;
    clock.wakeAt(clock.now() + delayMs, () => {
      this.#isBetweenTries = false;
      // Unless the shard was stopped meanwhile.
      if (this.#started !== undefined) inbox.putBack([start]);
    });
  }

  /** The start turn ended well, and its record is about to be issued. */
  done(): void {
    const started = this.#started;
    this.#started = undefined;
    if (started !== undefined)
      void Promise.resolve().then(() => this.#parts.log.settled().then(started.resolve));
  }

  /** There will be no start turn that ends well. */
  failed(code: string, message: string): void {
    const started = this.#started;
    this.#started = undefined;
    const { instance } = this.#parts.spec;
    const details = { capsule: instance, id: capsuleOf(instance), problem: `${code}: ${message}` };
    started?.reject(kernelErrors.create("CAPSULE_START_FAILED", details));
  }

  /** The shard broke before it had started. */
  broke(error: unknown): void {
    this.#started?.reject(error);
  }
}
