/** Which definition of each topic this node's events were kept under: read from the kernel's facts, told to them on a change. */
import type { Json, TopicDefinition } from "@vnes/schemas";
import type { TopicOffer } from "../admission/topic-files.ts";
import type { LedgerRecord } from "../ledger/record.ts";
import type { KernelShard } from "./kernel-shard.ts";

/** Folds one record of the kernel's shard; the latest definition of a topic counts. */
export function noteTopic(recorded: Map<string, TopicOffer>, record: LedgerRecord): void {
  if (record.kind !== "kernel" || record.fact["type"] !== "topicDefined") return;
  const { hash, definition } = record.fact as { readonly hash?: Json; readonly definition?: Json };
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
