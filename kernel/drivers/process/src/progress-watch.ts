/** Calls back when no progress was made for a time. A kernel that was held up itself reads its sockets before it judges. */

export class ProgressWatch {
  readonly #withinMs: number;
  readonly #silent: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(withinMs: number, silent: () => void) {
    this.#withinMs = withinMs;
    this.#silent = silent;
  }

  get isArmed(): boolean {
    return this.#timer !== undefined;
  }

  /** From now on, anew. */
  arm(): void {
    this.disarm();
    const timer = setTimeout(() => {
      // What lies in the socket is read between these two.
      setImmediate(() =>
        setImmediate(() => {
          if (this.#timer !== timer) return;
          this.#timer = undefined;
          this.#silent();
        }),
      );
    }, this.#withinMs);
    this.#timer = timer;
  }

  disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
