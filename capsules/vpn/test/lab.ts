/** The world of a lab: a clock moved by hand, and a seed that says everything that will go wrong. */

/** mulberry32: a seed says everything that will go wrong. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Faults {
  /** Chances, 0 to 1, of each frame or each event of the transport. */
  frameLost: number;
  frameTwice: number;
  frameLate: number;
  eventLost: number;
  eventTwice: number;
  /** Name of a node that no frame reaches. */
  deafNode: string | null;
}

export const NO_FAULTS: Readonly<Faults> = {
  frameLost: 0,
  frameTwice: 0,
  frameLate: 0,
  eventLost: 0,
  eventTwice: 0,
  deafNode: null,
};

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time moved by hand; what is due at the same millisecond runs in the order it was asked for. */
export class Lab {
  now = 1_000_000;
  readonly random: () => number;
  readonly faults: Faults = { ...NO_FAULTS };
  readonly #queue: Task[] = [];
  #order = 0;
  #ids = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  after(ms: number, run: () => void): void {
    this.#queue.push({ at: this.now + ms, order: this.#order++, run });
  }

  advance(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      let next: Task | undefined;
      for (const task of this.#queue) {
        if (task.at > until) continue;
        if (!next || task.at < next.at || (task.at === next.at && task.order < next.order)) next = task;
      }
      if (!next) break;
      this.#queue.splice(this.#queue.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = until;
  }

  /** Moves time on until `holds`, at most `ms`; whether it did. */
  until(holds: () => boolean, ms: number): boolean {
    for (let waited = 0; waited < ms && !holds(); waited += 10) this.advance(10);
    return holds();
  }

  hex(digits: number): string {
    let text = (this.#ids++).toString(16).padStart(6, "0");
    while (text.length < digits) text += Math.floor(this.random() * 16).toString(16);
    return text.slice(0, digits);
  }

  chance(share: number): boolean {
    return share > 0 && this.random() < share;
  }
}
