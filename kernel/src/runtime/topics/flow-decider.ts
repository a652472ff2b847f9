/**
 * Asks the policy capsule that a topic names what a subscriber that lags should get. Until it answers, when it does not, and
 * once the subscriber has caught up, the topic's own policy counts.
 */
import type { Answer, Json } from "@vnes/schemas";
import { type Decided, decidedRule } from "../../bus/flow-decision.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Counters } from "../node/counters.ts";
import type { Fact } from "../node/kernel-shard.ts";
import type { Unusable } from "./flow-reports.ts";
import type { TopicFeed } from "./topic-feed.ts";

/** Between two questions about one feed: a policy is no place to be asked for every event. */
const ASK_EVERY_MS = 1_000;
/** Later, the backlog is another. */
const ANSWER_MS = 1_000;
const METHOD = "decide";

export class FlowDecider {
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #call: (capability: string, method: string, input: Json, timeoutMs: number) => Promise<Answer>;
  readonly #record: (fact: Fact) => void;
  readonly #unusable: (decision: Unusable) => void;
  readonly #askedAt = new WeakMap<TopicFeed, number>();

  constructor(parts: {
    readonly clock: Clock;
    readonly counters: Counters;
    call(capability: string, method: string, input: Json, timeoutMs: number): Promise<Answer>;
    record(fact: Fact): void;
    /** What came of a question cannot be carried out, or nothing did. */
    unusable(decision: Unusable): void;
  }) {
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#call = (...args) => parts.call(...args);
    this.#record = (fact) => parts.record(fact);
    this.#unusable = (decision) => parts.unusable(decision);
  }

  ask(subscriber: string, feed: TopicFeed): void {
    const { topic, subscription, partition } = feed.parts;
    const { decided_by: by, ...flow } = topic.definition.flow;
    const now = this.#clock.now();
    if (by === undefined || now < (this.#askedAt.get(feed) ?? 0) + ASK_EVERY_MS) return;
    this.#askedAt.set(feed, now);
    this.#counters.add("flow.decisionsAsked");
    const input = {
      topic: topic.definition.topic,
      partition: partition.index,
      subscriber,
      policy: flow.policy,
      lag: feed.lag,
      buffer: feed.rule.buffer,
      rate_per_s: subscription.ratePerS ?? null,
      delivered: feed.stats.delivered,
      published: partition.lastSeq,
    };
    void this.#call(by, METHOD, input, ANSWER_MS).then((answer) =>
      this.#decided(subscriber, feed, by, answer),
    );
  }

  #decided(subscriber: string, feed: TopicFeed, by: string, answer: Answer): void {
    const { topic, rule } = feed.parts;
    const decided = this.#ruleOf(feed, answer);
    const next = "rule" in decided ? decided.rule : rule;
    if ("problem" in decided) {
      const { problem } = decided;
      this.#unusable({ by, capsule: subscriber, topic: topic.definition.topic, problem });
    }
    const { policy, shed, aggregate } = next;
    const { rule: now } = feed;
    if (!feed.decide(next)) return;
    if (now.policy === policy && now.shed === shed && now.aggregate === aggregate) return;
    const decision = { policy, shed, aggregate };
    this.#record({ type: "flowDecided", topic: topic.definition.topic, subscriber, by, ...decision });
  }

  #ruleOf({ parts: { rule, subscription } }: TopicFeed, answer: Answer): Decided {
    if (!answer.ok) {
      this.#counters.add(`flow.decisionFailed.${answer.code}`);
      return { problem: `${answer.code}: ${answer.message}` };
    }
    const decided = decidedRule(rule, answer.value, subscription.batch !== undefined);
    if ("rule" in decided) this.#counters.add("flow.decisions");
    else this.#counters.add("flow.decisionInvalid");
    return decided;
  }
}
