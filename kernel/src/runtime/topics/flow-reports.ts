/** Says as diagnostics, at a bounded rate, what flow control took out (and counts it), and which decisions of a policy capsule are none. */
import { kernelErrors } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Counters } from "../node/counters.ts";
import { diagnostic, type Fact } from "../node/kernel-shard.ts";
import type { TopicFeed } from "./topic-feed.ts";

/** Between two reports about one topic and subscriber. */
const REPORT_EVERY_MS = 10_000;
/** A refusal may quote its capsule at any length. */
const MAX_PROBLEM_CHARS = 500;

/** What `by` was asked about a subscriber that lags, and why nothing can be done with what came of it. */
export interface Unusable {
  readonly by: string;
  readonly capsule: string;
  readonly topic: string;
  readonly problem: string;
}

export class FlowReports {
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #report: (fact: Fact & { readonly type: "diagnostic" }) => boolean;
  readonly #ask: (capsule: string, feed: TopicFeed) => void;
  readonly #due = new Map<string, { at: number; shed: number; merged: number }>();
  readonly #unusableDue = new Map<string, number>();

  constructor(parts: {
    readonly counters: Counters;
    readonly clock: Clock;
    report(fact: Fact & { readonly type: "diagnostic" }): boolean;
    /** A subscriber lags on a topic whose policy a capsule decides. */
    ask(capsule: string, feed: TopicFeed): void;
  }) {
    this.#counters = parts.counters;
    this.#clock = parts.clock;
    this.#report = (fact) => parts.report(fact);
    this.#ask = (capsule, feed) => parts.ask(capsule, feed);
  }

  thinned(
    capsule: string,
    {
      topic,
      shed,
      merged,
      isEphemeral,
    }: {
      readonly topic: string;
      readonly shed: number;
      readonly merged: number;
      readonly isEphemeral: boolean;
    },
  ): void {
    if (shed > 0) this.#counters.add(isEphemeral ? "ephemeral.shed" : "flow.shed", shed);
    if (merged > 0) this.#counters.add(isEphemeral ? "ephemeral.merged" : "flow.merged", merged);
    const key = `${topic} ${capsule}`;
    const due = this.#due.get(key) ?? { at: 0, shed: 0, merged: 0 };
    this.#due.set(key, due);
    due.shed += shed;
    due.merged += merged;
    const now = this.#clock.now();
    if (now < due.at) return;
    const error = kernelErrors.create("FLOW_EVENTS_TAKEN_OUT", {
      topic,
      capsule,
      shed: due.shed,
      merged: due.merged,
    });
    this.#due.set(key, { at: now + REPORT_EVERY_MS, shed: 0, merged: 0 });
    this.#report(diagnostic("flow", capsule, error) as Fact & { readonly type: "diagnostic" });
  }

  /** Counted already by who asked. */
  unusable(decision: Unusable): void {
    const key = `${decision.topic} ${decision.capsule}`;
    const now = this.#clock.now();
    if (now < (this.#unusableDue.get(key) ?? 0)) return;
    this.#unusableDue.set(key, now + REPORT_EVERY_MS);
    const problem = decision.problem.slice(0, MAX_PROBLEM_CHARS).toWellFormed();
    const error = kernelErrors.create("FLOW_DECISION_UNUSABLE", { ...decision, problem });
    this.#report(diagnostic("flow", decision.capsule, error) as Fact & { readonly type: "diagnostic" });
  }

  lagging(capsule: string, feed: TopicFeed): void {
    if (feed.parts.topic.definition.flow.decided_by !== undefined) this.#ask(capsule, feed);
  }
}
