/**
 * A host that says nothing for long while an answer is awaited computes for long, and it is made nicer: short turns of others go first on
 * a machine that has too few processors for all. It stays so until it was quick for a while, because who loops does it again.
 */

const LONG_MS = 20;
const WHILE_MS = 1_000;
/** Added to the niceness, which halves its share. More, and long turns would meet their deadlines on a machine that is busy otherwise. */
export const NICER = 3;

export class LongTurns {
  readonly #step: (more: number) => void;
  readonly #silence: NodeJS.Timeout;
  readonly #while: NodeJS.Timeout;
  #isAwaited = false;
  #isNicer = false;
  #isOver = false;
  #signs = 0;

  /** `step` is told what is added to the niceness from now on. */
  constructor(step: (more: number) => void) {
    this.#step = step;
    this.#silence = setTimeout(() => this.#silent(), LONG_MS).unref();
    this.#while = setTimeout(() => this.#quickForLong(), WHILE_MS).unref();
  }

  /** Whether an answer is. */
  awaited(isAwaited: boolean): void {
    this.#isAwaited = isAwaited && !this.#isOver;
    this.sign();
  }

  /** A message came from it, a whole one. */
  sign(): void {
    this.#signs += 1;
    if (this.#isAwaited) this.#silence.refresh();
  }

  /** Nothing is done any more: the process is gone, and its number may become another's. */
  end(): void {
    this.#isOver = true;
    this.#isAwaited = false;
    this.#isNicer = false;
    clearTimeout(this.#silence);
    clearTimeout(this.#while);
  }

  #silent(): void {
    const before = this.#signs;
    // Once the pipe was read: this process may have been the one that was held up.
    setImmediate(() =>
      setImmediate(() => {
        if (!this.#isAwaited || this.#signs !== before) return;
        this.#while.refresh();
        if (!this.#isNicer) this.#step(NICER);
        this.#isNicer = true;
      }),
    );
  }

  #quickForLong(): void {
    if (!this.#isNicer) return;
    this.#isNicer = false;
    this.#step(0);
    // It may be at the same turn still.
    if (this.#isAwaited) this.#silence.refresh();
  }
}
