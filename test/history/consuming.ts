/** H4: what subscribers consumed against what their partitions hold; one order for all of them, nothing twice, nothing left out. */
import { capsuleShard } from "../../kernel/src/bus/routing.ts";
import { seqsOf } from "../../kernel/src/replay/delivery.ts";
import type { LedgerHistory, ShardHistory } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";
import { accepts, partitionsOf, type Subscriber, type Topology } from "./topology.ts";

export function checkConsuming(
  ledger: LedgerHistory,
  topology: Topology,
  quiet: boolean,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const topic of topology.topics.values()) {
    for (const subscriber of topic.subscribers) {
      for (let slot = 0; slot < subscriber.slots; slot++) {
        const consumer = ledger.shards.get(capsuleShard(subscriber.capsule, slot));
        for (const name of partitionsOf(topic)) {
          const partition = ledger.shards.get(name);
          // What a flow policy takes out at the very end is told by no record.
          const isWhole = quiet && topic.definition.flow.policy === "block";
          problems.push(...checkOne(consumer, partition, name, { subscriber, slot, quiet: isWhole }));
        }
      }
    }
  }
  return problems;
}

function checkOne(
  consumer: ShardHistory | undefined,
  partition: ShardHistory | undefined,
  name: string,
  {
    subscriber,
    slot,
    quiet,
  }: { readonly subscriber: Subscriber; readonly slot: number; readonly quiet: boolean },
): readonly Problem[] {
  const where = `${capsuleShard(subscriber.capsule, slot)} of ${name}`;
  const problems: Problem[] = [];
  const fail = (what: string): void => void problems.push({ rule: "H4", where, what });
  const mine = (partition?.records ?? []).flatMap((record) =>
    record.kind === "event" && accepts(subscriber, slot, record.key) ? [record.seq] : [],
  );
  const position = new Map(mine.map((seq, index) => [seq, index]));
  let next = 0;
  for (const record of consumer?.records ?? []) {
    // The kernel's own doing, for a reason of its own; consuming goes on from there.
    if (record.kind === "position" && record.partition === name)
      next = mine.filter((seq) => seq <= record.position).length;
    if (record.kind !== "turn" || record.input.from !== "topic" || record.input.shard !== name) continue;
    const { input } = record;
    if (partition?.hashes[input.seq - 1] !== input.hash)
      fail(`record ${record.seq} consumed another event ${input.seq}`);
    let skipped = input.skipped ?? 0;
    for (const seq of seqsOf(input)) {
      const index = position.get(seq);
      if (index === undefined) {
        fail(`record ${record.seq} consumed event ${seq}, which is not there or not its own`);
        continue;
      }
      if (index < next) fail(`record ${record.seq} consumed event ${seq} again`);
      else if (index > next + skipped)
        fail(`record ${record.seq} consumed event ${seq} before event ${mine[next]}`);
      skipped -= Math.max(0, index - next);
      next = Math.max(next, index + 1);
    }
  }
  if (quiet && next < mine.length)
    fail(`event ${mine[next]} and ${mine.length - next - 1} after it never came`);
  return problems;
}
