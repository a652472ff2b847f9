/**
 * Opens hosts for one shard: patiently when they die at once, and with a count of how often the shard's deliveries
 * killed one. Does not know what a delivery is.
 */
import { isVnesError, type VnesError } from "@vnes/schemas";
import { capsuleOf } from "../../bus/routing.ts";
import { kernelErrors } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Sandbox, SandboxInstance, SandboxSpec } from "../../ports/sandbox.ts";
import { type BackOff, delayMs } from "./back-off.ts";

/** A host that dies is restarted at once the first time, then ever more slowly. */
export const RESTART: BackOff = { firstMs: 10, maxMs: 5_000 };
/** A capsule that kills its host this often within the window is suspended: every death costs its neighbours theirs. */
const MAX_KILLS = 3;
const KILL_WINDOW_MS = 60_000;
/** When only events brought that about: three deaths a minute go on being all that poison can cost. */
export const POISON_REST_MS: number = KILL_WINDOW_MS;
/** Who is suspected of a death shares no host for so long: what only kills in company has none. */
const APART_MS = 600_000;
/** Hosts that may die while a capsule is opened in company. Each death takes one of those to blame out. */
const MAX_OPENINGS = 8;

interface Kill {
  readonly at: number;
  /** A kept event, which was given up for it: it will not kill again. */
  readonly isEvent: boolean;
}

export class HostTrials {
  readonly #spec: SandboxSpec;
  readonly #sandbox: Sandbox;
  readonly #clock: Clock;
  readonly #notOpened: (problem: VnesError) => void;
  #kills: Kill[] = [];
  #suspectedAt = Number.NEGATIVE_INFINITY;

  /** `notOpened` is told each time before it is tried again. */
  constructor(parts: {
    readonly spec: SandboxSpec;
    readonly sandbox: Sandbox;
    readonly clock: Clock;
    notOpened(problem: VnesError): void;
  }) {
    this.#spec = parts.spec;
    this.#sandbox = parts.sandbox;
    this.#clock = parts.clock;
    this.#notOpened = (problem) => parts.notOpened(problem);
  }

  /**
   * In the capsule's own group, unless it is suspected. A host that dies over it may be the doing of a neighbour that is loaded beside it. Rejects
   * when the bundle does not load, and with `CAPSULE_ENDS_HOST` when it ends a host that it has for itself.
   */
  async openNow(): Promise<SandboxInstance> {
    for (let opening = 0; !this.#isSuspect && opening < MAX_OPENINGS; opening++) {
      try {
        return await this.#sandbox.open(this.#spec);
      } catch (error) {
        if (!isHostDeath(error)) throw error;
        // It was the one that was being loaded.
        if (!wasIdle(error)) await (await this.#loadAlone()).dispose();
      }
    }
    return await this.#loadAlone();
  }

  async #loadAlone(): Promise<SandboxInstance> {
    try {
      return await this.#sandbox.open(this.#alone);
    } catch (error) {
      if (!isHostDeath(error)) throw error;
      this.suspect();
      const capsule = capsuleOf(this.#spec.instance);
      throw kernelErrors.create("CAPSULE_ENDS_HOST", { capsule, reason: error.message }, error);
    }
  }

  /** The same until a host starts; undefined once `isWanted` says no. */
  open(isWanted: () => boolean): Promise<SandboxInstance | undefined> {
    return this.#patiently(() => this.openNow(), isWanted);
  }

  /** The same in a host that nobody shares. */
  openAlone(isWanted: () => boolean): Promise<SandboxInstance | undefined> {
    return this.#patiently(() => this.#sandbox.open(this.#alone), isWanted);
  }

  get #isSuspect(): boolean {
    return this.#clock.now() - this.#suspectedAt < APART_MS;
  }

  get #alone(): SandboxSpec {
    return { ...this.#spec, group: `alone/${this.#spec.instance}` };
  }

  /** A delivery was in a host that died, and ended badly alone: its neighbours may be all that it lacked to kill that one as well. */
  suspect(): void {
    this.#suspectedAt = this.#clock.now();
  }

  /**
   * A delivery killed its host. When that has happened too often: `CAPSULE_POISONED` if all of it were kept events, which
   * are taken out one by one, and otherwise `CAPSULE_KEEPS_KILLING`.
   */
  killed(isEvent: boolean): VnesError | undefined {
    const now = this.#clock.now();
    this.suspect();
    this.#kills = [...this.#kills.filter(({ at }) => at > now - KILL_WINDOW_MS), { at: now, isEvent }];
    const kills = this.#kills.length;
    if (kills < MAX_KILLS) return undefined;
    const shard = this.#spec.instance;
    const details = { capsule: capsuleOf(shard), shard, kills, windowMs: KILL_WINDOW_MS };
    return this.#kills.every((kill) => kill.isEvent)
      ? kernelErrors.create("CAPSULE_POISONED", { ...details, restMs: POISON_REST_MS })
      : kernelErrors.create("CAPSULE_KEEPS_KILLING", details);
  }

  /** Forgets earlier kills: the capsule is to try again, where it harms nobody else. */
  forgive(): void {
    this.#kills = [];
  }

  async #patiently(
    open: () => Promise<SandboxInstance>,
    isWanted: () => boolean,
  ): Promise<SandboxInstance | undefined> {
    for (let attempt = 0; isWanted(); attempt++) {
      try {
        return await open();
      } catch (error) {
        if (!isHostDeath(error) && !(isVnesError(error) && error.retry)) throw error;
        this.#notOpened(error);
        await new Promise<void>((resolve) => {
          this.#clock.wakeAt(this.#clock.now() + delayMs(RESTART, attempt), resolve);
        });
      }
    }
    return undefined;
  }
}

export function isHostDeath(error: unknown): error is VnesError {
  return isVnesError(error) && error.code === "SANDBOX_HOST_DIED";
}

/** It was dead before it was asked: nothing of this shard was in it. */
export function wasIdle({ details }: VnesError): boolean {
  return details["wasIdle"] === true;
}
