/** Topics seen as bindings: each is defined by one capsule, and no circle of capsules may wait for itself. */
import { isOptionalTopic, type Policy, subscriptionsOf, topicsSubscribed } from "@vnes/schemas";
import { evolutionReason, type TopicOffer } from "../admission/topic-files.ts";
import type { Reason } from "../admission/verdict.ts";
import { ACCESS_WHY, accessProblem } from "./access.ts";
import { cycles } from "./cycles.ts";
import { bindingReason } from "./errors.ts";
import type { Bindable } from "./resolve.ts";

/** The definitions that events were kept under here, by topic. */
export type RecordedTopics = ReadonlyMap<string, TopicOffer>;

/** Reasons by capsule. */
export function topicReasons(
  capsules: readonly Bindable[],
  policy: Policy,
  recorded: RecordedTopics,
): ReadonlyMap<string, readonly Reason[]> {
  const reasons = new Map<string, Reason[]>();
  const refuse = (id: string, reason: Reason): void => {
    reasons.set(id, [...(reasons.get(id) ?? []), reason]);
  };
  const defined = new Map<string, { readonly owner: string; readonly offer: TopicOffer }>();
  for (const { id, topics } of capsules) {
    for (const offer of topics) {
      const { topic } = offer.definition;
      const first = defined.get(topic);
      if (first === undefined) defined.set(topic, { owner: id, offer });
      else if (first.offer.hash !== offer.hash) {
        refuse(id, bindingReason("BINDING_TOPIC_DEFINED_TWICE", { topic, capsule: id, other: first.owner }));
      }
      const before = recorded.get(topic);
      if (before === undefined || before.hash === offer.hash) continue;
      const reason = evolutionReason(before.definition, offer.definition);
      if (reason !== undefined) refuse(id, reason);
    }
  }
  for (const { id, manifest } of capsules) {
    for (const [use, does, list] of [
      ["publish", "publishes", manifest.bus?.publishes],
      ["subscribe", "subscribes to", topicsSubscribed(manifest)],
    ] as const) {
      (list ?? []).forEach((topic, index) => {
        const owner = defined.get(topic)?.owner;
        const pointer = `/bus/${use}s/${index}`;
        if (owner === undefined) {
          if (use === "publish" && isOptionalTopic(manifest, topic)) return;
          refuse(id, bindingReason("BINDING_TOPIC_UNKNOWN", { capsule: id, does, topic }, pointer));
          return;
        }
        const definer = capsules.find((one) => one.id === owner)?.manifest ?? manifest;
        const problem = accessProblem(policy, use, topic, { user: manifest, owner: definer });
        if (problem === undefined) return;
        const details = { capsule: id, does, topic, owner, why: ACCESS_WHY[problem] };
        refuse(id, bindingReason("BINDING_TOPIC_FORBIDDEN", details, pointer));
      });
    }
  }
  for (const { id, manifest } of capsules) {
    subscriptionsOf(manifest).forEach(({ topic, batch }, index) => {
      const flow = defined.get(topic)?.offer.definition.flow;
      if (flow?.aggregate !== "batch" || batch !== undefined) return;
      refuse(id, bindingReason("BINDING_BATCH_MISSING", { capsule: id, topic }, `/bus/subscribes/${index}`));
    });
  }
  const blocks = (topic: string): boolean => {
    const definition = defined.get(topic)?.offer.definition;
    if (definition === undefined || definition.quality === "at_most_once") return false;
    // A policy capsule may say block at any time.
    return definition.flow.policy === "block" || definition.flow.decided_by !== undefined;
  };
  // Who is refused anyway waits for nobody, and must not be able to draw others into a circle.
  const starting = capsules.filter(({ id }) => !reasons.has(id));
  const next = (id: string): readonly string[] => {
    const manifest = capsules.find((one) => one.id === id)?.manifest;
    const published = (manifest?.bus?.publishes ?? []).filter(blocks);
    return starting
      .filter((other) => topicsSubscribed(other.manifest).some((topic) => published.includes(topic)))
      .map((other) => other.id);
  };
  for (const circle of cycles(
    starting.map(({ id }) => id),
    next,
  )) {
    for (const id of circle) {
      refuse(
        id,
        bindingReason("BINDING_TOPIC_CYCLE", { capsule: id, cycle: [...circle, circle[0]].join(" -> ") }),
      );
    }
  }
  return reasons;
}
