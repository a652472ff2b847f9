/**
 * One node's view of a clock that several nodes share: set forward or back against it, and gone with the node. A wake
 * asked for by a node that has died never comes.
 */
import type { Clock } from "@vnes/kernel";

export class NodeClock implements Clock {
  readonly #world: Clock;
  #offsetMs: number;
  readonly #cancels = new Set<() => void>();
  #stopped = false;

  /** `offsetMs`: how far this node's clock is ahead. */
  constructor(world: Clock, offsetMs = 0) {
    this.#world = world;
    this.#offsetMs = offsetMs;
  }

  now(): number {
    return this.#world.now() + this.#offsetMs;
  }

  notBefore(at: number): void {
    this.#offsetMs += Math.max(0, at - this.now());
  }

  /** Wall clocks do not jump here while a node runs; `offsetMs` is a jump between two lives. */
  onWallJump(): void {}

  wakeAt(at: number, wake: () => void): () => void {
    if (this.#stopped) return () => undefined;
    const cancel = this.#world.wakeAt(at - this.#offsetMs, () => {
      this.#cancels.delete(cancel);
      wake();
    });
    this.#cancels.add(cancel);
    return () => {
      this.#cancels.delete(cancel);
      cancel();
    };
  }

  /** The node is gone: nothing it asked for comes any more. */
  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }
}
