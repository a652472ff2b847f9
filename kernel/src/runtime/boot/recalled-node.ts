/** What a node knows from its ledger before it does anything: its shards, and what earlier boots decided. */
import type { TopicOffer } from "../../admission/topic-files.ts";
import type { Counters } from "../node/counters.ts";
import type { NodeParts } from "../node/parts.ts";
import { noteProvider, type ProviderFact, type RecordedProviders } from "./recorded-providers.ts";
import { noteTopic } from "./recorded-topics.ts";
import { type RecoveredShard, recoverAll } from "./recovery.ts";

export interface RecalledNode {
  readonly recovered: ReadonlyMap<string, RecoveredShard>;
  /** Images this node does not run any more, with the reason. */
  readonly denied: ReadonlyMap<string, string>;
  /** The definition each topic's events were kept under. */
  readonly recorded: ReadonlyMap<string, TopicOffer>;
  readonly providers: RecordedProviders;
}

/** `isOwn`: a store shared by several nodes holds shards that are another's to fold. */
export async function recallNode(
  parts: NodeParts,
  counters: Counters,
  isOwn: (shard: string) => boolean,
): Promise<RecalledNode> {
  const recovered = await recoverAll(parts.ledger, parts.digest, isOwn);
  reportDamage(parts, recovered, counters);
  return { recovered, ...recalled(recovered) };
}

function recalled(recovered: ReadonlyMap<string, RecoveredShard>): Omit<RecalledNode, "recovered"> {
  const denied = new Map<string, string>();
  const recorded = new Map<string, TopicOffer>();
  const providers = new Map<string, ProviderFact>();
  for (const { state } of recovered.values()) {
    for (const fact of state.facts.values()) {
      noteTopic(recorded, fact);
      noteProvider(providers, fact);
      const { type, image, reason } = fact;
      if (type === "denied" && typeof image === "string" && typeof reason === "string")
        denied.set(image, reason);
    }
  }
  return { denied, recorded, providers };
}

/** A snapshot that could not be read was passed over for an older one: nothing is lost, yet the disk is not well. */
function reportDamage(
  { log }: NodeParts,
  recovered: ReadonlyMap<string, RecoveredShard>,
  counters: Counters,
): void {
  for (const { damage } of recovered.values()) {
    for (const { code, message, remedy } of damage) {
      counters.add("snapshot.passedOver");
      log.error({ code, remedy }, message);
    }
  }
}
