/**
 * H13: what subscribers took of `at_most_once` topics against what was published on them. Such an event has no place in its
 * partition: what says which one it is is what it says.
 */
import type { BatchEvent, Effect, Json } from "@vnes/schemas";
import { capsuleOf, topicShard } from "../../kernel/src/bus/routing.ts";
import { type EffectId, formatEffectId, isAtOrBelow } from "../../kernel/src/ledger/effect-id.ts";
import type { TurnRecord } from "../../kernel/src/ledger/record.ts";
import { isSameJson, type LedgerHistory, turnsOf } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";
import { accepts, partitionShardOf, type Topology } from "./topology.ts";

/**
 * `at_most_once` topics of a run on which no two events are alike, and whose publishers leave a record of every turn in
 * which they publish: neither a driver nor a turn without a durable effect does.
 */
export type DistinctTopics = ReadonlySet<string>;

interface Published {
  readonly id: EffectId;
  readonly event: Json;
}

interface Taken {
  readonly topic: string;
  readonly partition: number;
  readonly events: readonly Pick<BatchEvent, "key" | "event">[];
}

export function checkUnkept(
  ledger: LedgerHistory,
  { unkept }: Topology,
  distinct: DistinctTopics,
): readonly Problem[] {
  const problems: Problem[] = [];
  const published = publishedOn(ledger, distinct);
  const before = new Set<string>();
  const last = new Map<string, EffectId>();
  for (const { shard, record } of turnsOf(ledger)) {
    const taken = takenBy(record);
    if (taken === undefined || !distinct.has(taken.topic)) continue;
    const { topic, partition } = taken;
    const capsule = capsuleOf(shard);
    const slot = Number(shard.slice(capsule.length + 1));
    const known = unkept.get(topic);
    const subscriber = known?.subscribers.find((one) => one.capsule === capsule);
    for (const { key, event } of taken.events) {
      const text = `${JSON.stringify(event)} of ${topic}`;
      const fail = (what: string): void =>
        void problems.push({ rule: "H13", where: shard, what: `record ${record.seq} took ${text}, ${what}` });
      if (known === undefined || subscriber === undefined || !accepts(subscriber, slot, key))
        fail("which is not its own");
      else if (partitionShardOf(known, key, event) !== topicShard(topic, partition))
        fail(`which is not of partition ${partition}`);
      const source = published.get(placeOf(topic, key))?.find((one) => isSameJson(one.event, event))?.id;
      if (source === undefined) {
        fail("which no durable record published");
        continue;
      }
      // Across partitions no order is promised (P1).
      const link = `${source.shard} ${partition} ${shard}`;
      const once = `${capsule} ${formatEffectId(source)}`;
      if (before.has(once)) fail("again");
      else if (isAtOrBelow(source, last.get(link))) fail("out of its publisher's order");
      else last.set(link, source);
      before.add(once);
    }
  }
  return problems;
}

/** By topic and key. */
function publishedOn(
  ledger: LedgerHistory,
  distinct: DistinctTopics,
): ReadonlyMap<string, readonly Published[]> {
  const published = new Map<string, Published[]>();
  const take = (effect: Effect, id: EffectId): void => {
    if (effect.do !== "publish" || !distinct.has(effect.topic)) return;
    const place = placeOf(effect.topic, effect.key);
    const there = published.get(place) ?? [];
    there.push({ id, event: effect.event });
    published.set(place, there);
  };
  for (const { shard, record } of turnsOf(ledger))
    record.effects.forEach((effect, index) => take(effect, { shard, seq: record.seq, index }));
  return published;
}

function takenBy({ input }: TurnRecord): Taken | undefined {
  if (input.from !== "ephemeral") return undefined;
  const { delivery } = input;
  if (delivery.kind === "event") return { ...delivery, events: [delivery] };
  return delivery.kind === "batch" ? delivery : undefined;
}

function placeOf(topic: string, key: string): string {
  return `${topic} ${key}`;
}
