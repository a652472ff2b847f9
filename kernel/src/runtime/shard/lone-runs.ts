/**
 * What becomes of the deliveries that were in a sandbox host when it died, and which host comes after it. Owns the hosts that are opened
 * for that (`host-trials.ts`). What a turn comes to, one that killed its host too, is settled in `turn-settlement.ts`.
 *
 * C4. Deliveries in flight when a host dies are repeated one at a time, alone; one that kills again is recorded failed. Those that the
 *     host never heard of go to the next one as they are: a host of their own for each of its capsules would cost the whole node.
 * C5. Whose delivery kills again, or is stopped alone, shares no host for a while: who ends it in company only would do it without end.
 */
import type { TurnResult, VnesError } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Sandbox, SandboxInstance, SandboxSpec } from "../../ports/sandbox.ts";
import type { Counters } from "../node/counters.ts";
import { HostTrials, isHostDeath, wasIdle } from "./host-trials.ts";
import { turnRequests } from "./turn-requests.ts";
import type { TurnSettlement } from "./turn-settlement.ts";
import type { Waiting } from "./waiting.ts";

export interface LoneRunsParts {
  readonly spec: SandboxSpec;
  readonly sandbox: Sandbox;
  readonly state: ShardState;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  readonly settlement: TurnSettlement;
  /** False once the shard was stopped: nothing more is run, and no host waited for. */
  isOpen(): boolean;
  hostDied(reason: string): void;
  /** No host could be opened; it is tried again. */
  noHost(problem: VnesError): void;
  /** It killed its hosts too often, or has none: the shard stops. */
  giveUp(error: unknown): void;
}

export class LoneRuns {
  readonly #parts: LoneRunsParts;
  readonly #hosts: HostTrials;

  constructor(parts: LoneRunsParts) {
    this.#parts = parts;
    this.#hosts = new HostTrials({
      ...parts,
      notOpened: (problem) => {
        parts.counters.add("host.notOpened");
        parts.noHost(problem);
      },
    });
  }

  /** C4: a host died with these in it. Resolves with what the next one is to run, in order. */
  async afterDeath(death: VnesError, batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    this.#parts.counters.add("host.deaths");
    this.#parts.hostDied(death.message);
    // What it was given is gone with the host.
    for (const waiting of batch) delete waiting.given;
    return wasIdle(death) ? batch : await this.#runAlone(batch);
  }

  /** The first host, or the one after a suspension (C5). Rejects as `HostTrials.openNow` does. */
  open(): Promise<SandboxInstance> {
    return this.#hosts.openNow();
  }

  /** The host that comes next (C5); undefined when the shard was stopped first. */
  reopen(): Promise<SandboxInstance | undefined> {
    return this.#hosts.open(() => this.#parts.isOpen());
  }

  /** Forgets earlier kills: the capsule is to try again. */
  forgive(): void {
    this.#hosts.forgive();
  }

  /** One delivery at a time, so that the one to blame is known. Resolves with what did not run. */
  async #runAlone(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const { settlement } = this.#parts;
    let alone: SandboxInstance | undefined;
    const queue = [...batch];
    while (queue.length > 0 && this.#parts.isOpen()) {
      const waiting = queue[0] as Waiting;
      if (waiting.feed?.isHolding === true) {
        waiting.feed.holdBehind(waiting);
        queue.shift();
        continue;
      }
      try {
        alone ??= await this.#hosts.openAlone(() => this.#parts.isOpen());
        if (alone === undefined) break;
        const results = await alone.deliver(turnRequests([waiting], this.#parts, false));
        if (results.some(isStopped)) this.#hosts.suspect();
        const { again, poisoned } = settlement.settle([waiting], results);
        if (again.length === 0) queue.shift();
        if (poisoned) await alone.reset();
      } catch (error) {
        if (!isHostDeath(error)) {
          // What has not run is kept.
          this.#parts.giveUp(error);
          break;
        }
        alone = undefined;
        if (queue[0] === waiting) {
          queue.shift();
          this.#killed(waiting, error.message);
        }
      }
    }
    await alone?.dispose();
    return queue;
  }

  #killed(waiting: Waiting, reason: string): void {
    this.#parts.counters.add("host.kills");
    this.#parts.settlement.killed(waiting, kernelErrors.create("TURN_KILLED_HOST", { reason }));
    const tooOften = this.#hosts.killed(waiting.feed !== undefined);
    if (tooOften !== undefined) this.#parts.giveUp(tooOften);
  }
}

/** For time or for memory: what it was about to take of them is not known. */
function isStopped(result: TurnResult): boolean {
  return result.kind === "failed" && (result.code === "TURN_DEADLINE" || result.code === "TURN_MEMORY");
}
