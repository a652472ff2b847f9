/** The topic partitions of a node, each with the state and the writing end that recovery left. */
import type { VnesError } from "@vnes/schemas";
import { topicShard } from "../../bus/routing.ts";
import { isDurable, partitionShards } from "../../bus/topics.ts";
import { diagnostic } from "../node/kernel-shard.ts";
import { Partition } from "../topics/partition.ts";
import type { BareNode } from "./bare-node.ts";
import { stateOf } from "./recovery.ts";

export function openPartitions(node: BareNode): void {
  const { parts, recalled, board, openLog, counters, isOwn, snapshots: nodeSnapshots, kernel } = node;
  for (const [topic, definition] of board.topics) {
    if (!isDurable(definition)) continue;
    const broken = (problem: VnesError): void => {
      const { code, message, remedy, cause } = problem;
      const stack = cause instanceof Error ? cause.stack : undefined;
      parts.log.error({ topic, code, remedy, stack }, message);
      void kernel.record(diagnostic("topic", definition.definition.owner, problem));
    };
    partitionShards(definition).forEach((shard, index) => {
      if (!isOwn(shard)) return;
      const { ledger: store, clock } = parts;
      const [state, log] = [stateOf(recalled.recovered, shard), openLog(shard)];
      const snapshots = nodeSnapshots.addPartition(state, log, definition.definition.retention);
      const partition = { shard, topic, index, log, store, clock, counters, state, snapshots, broken };
      board.partitions.set(topicShard(topic, index), new Partition(partition));
    });
  }
}
