/**
 * Whose step is next among those that share a thread.
 *
 * R1. Between two steps of one member each other that wants one has one, also who asked while a long step ran.
 * R2. A step that may be long is the first of its pass: what the others answered has left by then. So nobody waits for more than one
 *     step of each other member.
 */

/** Small steps go together, a long one is answered at once. */
const PASS_MS = 2;
/** Several slices; a step beyond it is one that others wait for. */
const LONG_MS = 20;
/** Who had a long step may have the next one for so long. */
const WHILE_MS = 10_000;

export class Rota<T> {
  readonly #waiting: T[] = [];
  readonly #longAt = new Map<T, number>();
  /** Its step ended the pass: it goes behind those who ask before the next one. */
  #last: T | undefined;
  #startedAt = 0;
  #steps = 0;

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#last === undefined;
  }

  /** A member that has work, and had none. */
  enter(member: T): void {
    this.#waiting.push(member);
  }

  startPass(now: number): void {
    if (this.#last !== undefined) this.#waiting.push(this.#last);
    this.#last = undefined;
    this.#startedAt = now;
    this.#steps = 0;
  }

  /** Undefined: the pass is over. */
  next(now: number): T | undefined {
    const member = this.#waiting[0];
    if (member === undefined || (this.#steps > 0 && now - this.#startedAt >= PASS_MS)) return undefined;
    if (this.#steps > 0 && now - (this.#longAt.get(member) ?? -Infinity) < WHILE_MS) return undefined;
    this.#steps += 1;
    return this.#waiting.shift();
  }

  /** Its step took from `from` to `now`. */
  stepped(member: T, from: number, now: number, hasMore: boolean): void {
    if (now - from >= LONG_MS) this.#longAt.set(member, now);
    if (!hasMore) return;
    if (now - this.#startedAt >= PASS_MS) this.#last = member;
    else this.#waiting.push(member);
  }

  forget(member: T): void {
    this.#longAt.delete(member);
  }
}
