/** H3: what stands in topic partitions against what was published. */
import { type EffectId, formatEffectId, isAtOrBelow } from "../../kernel/src/ledger/effect-id.ts";
import { effectAt, isSameJson, type LedgerHistory } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";
import { partitionShardOf, type Topology } from "./topology.ts";

/** `quiet`: everything has had time to arrive, so what is missing is lost. */
export function checkPublishing(
  ledger: LedgerHistory,
  topology: Topology,
  quiet: boolean,
): readonly Problem[] {
  const problems: Problem[] = [];
  const arrived = new Set<string>();
  for (const { shard, records } of ledger.shards.values()) {
    if (!shard.startsWith("topic/")) continue;
    const last = new Map<string, EffectId>();
    for (const record of records) {
      if (record.kind !== "event") continue;
      const { source, seq, key, event } = record;
      const id = formatEffectId(source);
      const fail = (what: string): void =>
        void problems.push({ rule: "H3", where: shard, what: `event ${seq} of ${id} ${what}` });
      if (isAtOrBelow(source, last.get(source.shard))) fail("came twice or out of its publisher's order");
      last.set(source.shard, source);
      arrived.add(id);
      const effect = effectAt(ledger, source);
      if (effect === undefined) fail("was published by no durable record");
      else if (effect.do !== "publish" || effect.key !== key || !isSameJson(effect.event, event))
        fail("is not what was published");
      else if (!shard.startsWith(`topic/${effect.topic}/`)) fail(`belongs to ${effect.topic}`);
      else {
        const topic = topology.topics.get(effect.topic);
        const home = topic === undefined ? shard : partitionShardOf(topic, key, event);
        if (home !== shard) fail(`belongs to ${home}`);
      }
    }
  }
  if (quiet) problems.push(...missing(ledger, topology, arrived));
  return problems;
}

function missing(
  ledger: LedgerHistory,
  topology: Topology,
  arrived: ReadonlySet<string>,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { shard, records } of ledger.shards.values()) {
    for (const record of records) {
      if (record.kind !== "turn" && record.kind !== "kernel") continue;
      record.effects.forEach((effect, index) => {
        if (effect.do !== "publish" || !topology.topics.has(effect.topic)) return;
        const id = formatEffectId({ shard, seq: record.seq, index });
        if (!arrived.has(id))
          problems.push({
            rule: "H3",
            where: shard,
            what: `${id} was published on ${effect.topic} and is not there`,
          });
      });
    }
  }
  return problems;
}
