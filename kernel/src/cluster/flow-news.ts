/**
 * Tells the other nodes which topics are held back by a subscriber here, and holds back publishers here for what they
 * tell. News are whole and repeated, so one that is lost costs a moment; a node that is silent holds nobody back.
 */
import type { Clock } from "../ports/clock.ts";
import type { Messenger } from "../ports/messenger.ts";
import type { Counters } from "../runtime/node/counters.ts";

/** A publisher goes on for so long after a subscriber elsewhere has fallen behind; a message so often costs nothing. */
const NEWS_EVERY_MS = 250;
/** Several news in a row are lost, or their node is gone. */
const STALE_AFTER_MS = 1_500;
const SUBJECT = "flow";
/** Far more topics than a program has. */
const MAX_TOPICS = 10_000;

/** As much of `FlowGate` as is needed. */
export interface FlowHolds {
  /** Topics that a subscriber of this node holds back. */
  heldHere(): readonly string[];
  /** A node's subscribers hold the topic back, or do no more. */
  setElsewhere(topic: string, node: string, isHeld: boolean): void;
}

export class FlowNews {
  readonly #messenger: Messenger;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #holds: FlowHolds;
  readonly #heard = new Map<string, { topics: ReadonlySet<string>; at: number }>();
  readonly #unsubscribe: () => void;
  #wasHolding = false;
  #cancel: () => void = () => undefined;

  /** `nodes`: the others; what anybody else says is not heard. */
  constructor(
    { messenger, clock, counters }: { messenger: Messenger; clock: Clock; counters: Counters },
    holds: FlowHolds,
    nodes: ReadonlySet<string>,
  ) {
    this.#messenger = messenger;
    this.#clock = clock;
    this.#counters = counters;
    this.#holds = holds;
    this.#unsubscribe = messenger.subscribe(SUBJECT, (bytes) => {
      const news = parseNews(bytes);
      if (news === undefined || !nodes.has(news.node)) counters.add("remote.flowUnreadable");
      else this.#hear(news.node, new Set(news.topics));
    });
    this.#tick();
  }

  close(): void {
    this.#unsubscribe();
    this.#cancel();
  }

  #tick(): void {
    const now = this.#clock.now();
    const topics = this.#holds.heldHere();
    // Once more when it is over, so that nobody waits until the news are stale.
    if (topics.length > 0 || this.#wasHolding) {
      const news = JSON.stringify({ node: this.#messenger.node, topics: topics.slice(0, MAX_TOPICS) });
      this.#messenger.publish(SUBJECT, new TextEncoder().encode(news));
    }
    this.#wasHolding = topics.length > 0;
    for (const [node, { at }] of this.#heard) {
      if (now - at <= STALE_AFTER_MS) continue;
      this.#counters.add("remote.flowStale");
      this.#hear(node, new Set());
    }
    this.#cancel = this.#clock.wakeAt(now + NEWS_EVERY_MS, () => this.#tick());
  }

  #hear(node: string, topics: ReadonlySet<string>): void {
    const before = this.#heard.get(node)?.topics ?? new Set<string>();
    if (topics.size === 0) this.#heard.delete(node);
    else this.#heard.set(node, { topics, at: this.#clock.now() });
    for (const topic of before) if (!topics.has(topic)) this.#holds.setElsewhere(topic, node, false);
    for (const topic of topics) if (!before.has(topic)) this.#holds.setElsewhere(topic, node, true);
  }
}

function parseNews(
  bytes: Uint8Array,
): { readonly node: string; readonly topics: readonly string[] } | undefined {
  try {
    const { node, topics } = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly node?: unknown;
      readonly topics?: unknown;
    };
    if (typeof node !== "string" || !Array.isArray(topics) || topics.length > MAX_TOPICS) return undefined;
    return topics.every((topic) => typeof topic === "string") ? { node, topics } : undefined;
  } catch {
    return undefined;
  }
}
