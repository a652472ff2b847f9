/** Which definition of each topic this node's events were kept under: read from the kernel's facts, told to them on a change. */
import type { Json, TopicDefinition } from "@vnes/schemas";
import type { TopicOffer } from "../../admission/topic-files.ts";
import type { KernelRecord } from "../../ledger/record.ts";
import type { KernelShard } from "../node/kernel-shard.ts";

/** One of the facts a kernel's shard kept; the latest definition of a topic is the one it kept. */
export function noteTopic(recorded: Map<string, TopicOffer>, fact: KernelRecord["fact"]): void {
  if (fact["type"] !== "topicDefined") return;
  const { hash, definition } = fact as { readonly hash?: Json; readonly definition?: Json };
  const known = definition as unknown as TopicDefinition;
  if (typeof hash === "string") recorded.set(known.topic, { definition: known, hash });
}

/** Resolves once every definition that is new or has changed is a durable fact: before the first event under it. */
export async function recordTopics(
  kernel: KernelShard,
  recorded: ReadonlyMap<string, TopicOffer>,
  offers: readonly TopicOffer[],
): Promise<void> {
  const news = offers.filter(({ definition, hash }) => recorded.get(definition.topic)?.hash !== hash);
  await Promise.all(
    news.map(({ definition, hash }) =>
      kernel.record({ type: "topicDefined", topic: definition.topic, hash, definition }),
    ),
  );
}
