/** Events that were pulled from a partition and given back: one that is tried again, and what came behind it, in order. */
import type { WakeUp } from "../shard/wake-up.ts";
import type { Waiting } from "../shard/waiting.ts";

export class HeldEvents {
  readonly #wakeUp: WakeUp;
  #held: Waiting[] = [];
  #until = 0;

  constructor(wakeUp: WakeUp) {
    this.#wakeUp = wakeUp;
  }

  get count(): number {
    return this.#held.length;
  }

  /** What their records will say was taken out before them. */
  get skipped(): number {
    return this.#held.reduce((sum, { input }) => sum + ((input.from === "topic" && input.skipped) || 0), 0);
  }

  /** Puts them in front, to be taken at `at`. */
  hold(waiting: readonly Waiting[], at: number): void {
    this.#held = [...waiting, ...this.#held];
    this.#until = at;
  }

  holdBehind(waiting: Waiting): void {
    // One that was tried again and wanted keys comes back while those behind it are held already.
    const place = this.#held.findIndex((held) => seqOf(held) > seqOf(waiting));
    this.#held.splice(place < 0 ? this.#held.length : place, 0, waiting);
  }

  take(limit: number, now: number, out: Waiting[]): void {
    if (this.#held.length > 0 && now < this.#until) {
      this.#wakeUp.at(this.#until);
      return;
    }
    while (out.length < limit) {
      const first = this.#held.shift();
      if (first === undefined) return;
      out.push(first);
      // One that has failed runs before what is behind it is put in question again.
      if ((first.failed ?? 0) > 0) return;
    }
  }

  clear(): void {
    this.#held = [];
  }
}

/** Of what was pulled from a partition: its place there. */
function seqOf({ input }: Waiting): number {
  return input.from === "topic" ? input.seq : 0;
}
