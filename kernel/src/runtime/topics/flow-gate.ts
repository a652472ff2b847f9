/**
 * Which topics hold their publishers back: those with policy `block` and a subscriber that lags. A publisher that is held
 * takes no new events; calls, answers, timers and what the kernel says still flow, so nothing waits in a circle.
 */
/** What no shard's name begins with. */
const ELSEWHERE = "on node ";

export class FlowGate {
  /** By topic: who lags. */
  readonly #lagging = new Map<string, Set<string>>();
  readonly #publishers = new Map<string, Set<() => void>>();

  /** `wake` is called when the topic lets its publishers go on. */
  addPublisher(topic: string, wake: () => void): void {
    const known = this.#publishers.get(topic) ?? new Set();
    this.#publishers.set(topic, known.add(wake));
  }

  set(topic: string, subscriber: string, lags: boolean): void {
    const known = this.#lagging.get(topic);
    if (lags) {
      this.#lagging.set(topic, (known ?? new Set()).add(subscriber));
      return;
    }
    if (known?.delete(subscriber) !== true || known.size > 0) return;
    this.#lagging.delete(topic);
    for (const wake of this.#publishers.get(topic) ?? []) wake();
  }

  /** Topics that a subscriber of this node holds back. */
  heldHere(): readonly string[] {
    return [...this.#lagging].flatMap(([topic, who]) =>
      [...who].every((one) => one.startsWith(ELSEWHERE)) ? [] : [topic],
    );
  }

  /** A subscriber of another node holds the topic back, or none does any more. */
  setElsewhere(topic: string, node: string, isHeld: boolean): void {
    this.set(topic, `${ELSEWHERE}${node}`, isHeld);
  }

  isHeld(topic: string): boolean {
    return this.#lagging.has(topic);
  }

  /** Who holds the topic, for people. */
  lagging(topic: string): readonly string[] {
    return [...(this.#lagging.get(topic) ?? [])].sort();
  }

  isAnyHeld(topics: readonly string[]): boolean {
    return this.#lagging.size > 0 && topics.some((topic) => this.#lagging.has(topic));
  }
}
