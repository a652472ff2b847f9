/**
 * A host that says nothing for long while an answer is awaited computes for long, and it is made nicer: short turns of others go first on
 * a machine that has too few processors for all. It stays so until it was quick for a while, because who loops does it again.
 */

const LONG_MS = 20;
const WHILE_MS = 1_000;
/** Added to the niceness, which halves its share. More, and long turns would meet their deadlines on a machine that is busy otherwise. */
export const NICER = 3;

/** What it knows of time; a test has one of its own. */
export interface LongTurnsTime {
  timer(wake: () => void, ms: number): { refresh(): unknown; end(): void };
  /** Once the pipe was read: this process may have been the one that was held up. */
  whenRead(wake: () => void): void;
}

const REAL: LongTurnsTime = {
  timer(wake, ms) {
    const timeout = setTimeout(wake, ms).unref();
    return { refresh: () => timeout.refresh(), end: () => clearTimeout(timeout) };
  },
  whenRead: (wake) => void setImmediate(() => setImmediate(wake)),
};

export class LongTurns {
  readonly #step: (more: number) => void;
  readonly #time: LongTurnsTime;
  readonly #silence: ReturnType<LongTurnsTime["timer"]>;
  readonly #while: ReturnType<LongTurnsTime["timer"]>;
  #isAwaited = false;
  /** It was silent for long, and is. */
  #isSilent = false;
  #isNicer = false;
  #isOver = false;
  #signs = 0;

  /** `step` is told what is added to the niceness from now on. */
  constructor(step: (more: number) => void, time: LongTurnsTime = REAL) {
    this.#step = step;
    this.#time = time;
    this.#silence = time.timer(() => this.#silent(), LONG_MS);
    this.#while = time.timer(() => this.#quickForLong(), WHILE_MS);
  }

  /** Whether an answer is. One more that is awaited begins no new silence: who is asked all the while would never be silent. */
  awaited(isAwaited: boolean): void {
    const isNow = isAwaited && !this.#isOver;
    if (isNow === this.#isAwaited) return;
    this.#isAwaited = isNow;
    this.sign();
  }

  /** A message came from it, a whole one. */
  sign(): void {
    this.#signs += 1;
    if (this.#isAwaited) this.#silence.refresh();
    // From here on it may be quick.
    if (this.#isSilent) this.#while.refresh();
    this.#isSilent = false;
  }

  /** Nothing is done any more: the process is gone, and its number may become another's. */
  end(): void {
    this.#isOver = true;
    this.#isAwaited = false;
    this.#isSilent = false;
    this.#isNicer = false;
    this.#silence.end();
    this.#while.end();
  }

  #silent(): void {
    const before = this.#signs;
    this.#time.whenRead(() => {
      if (!this.#isAwaited || this.#signs !== before) return;
      this.#isSilent = true;
      if (!this.#isNicer) this.#step(NICER);
      this.#isNicer = true;
    });
  }

  #quickForLong(): void {
    // It is at the same turn still.
    if (!this.#isNicer || this.#isSilent) return;
    this.#isNicer = false;
    this.#step(0);
  }
}
