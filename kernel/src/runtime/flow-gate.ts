/**
 * Which topics hold their publishers back: those with policy `block` and a subscriber that lags. A publisher that is held
 * takes no new events; calls, answers, timers and what the kernel says still flow, so nothing waits in a circle.
 */
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
