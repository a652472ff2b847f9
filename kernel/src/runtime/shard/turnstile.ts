/** Lets one task in at a time, in the order they came. */
export class Turnstile {
  #last: Promise<unknown> = Promise.resolve();

  enter<Result>(task: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
