/** The topic partitions of a node, each with the state and the writing end that recovery left. */
import type { VnesError } from "@vnes/schemas";
import { topicShard } from "../../bus/routing.ts";
import { isDurable, partitionShards } from "../../bus/topics.ts";
import type { NodeSnapshots } from "../ledger/node-snapshots.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import type { Counters } from "../node/counters.ts";
import { diagnostic, type KernelShard } from "../node/kernel-shard.ts";
import type { NodeParts } from "../node/parts.ts";
import type { Switchboard } from "../node/router.ts";
import { Partition } from "../topics/partition.ts";
import { type RecoveredShard, stateOf } from "./recovery.ts";

export function openPartitions(
  parts: NodeParts,
  board: Switchboard,
  recovered: ReadonlyMap<string, RecoveredShard>,
  openLog: (shard: string) => ShardLog,
  counters: Counters,
  isOwn: (shard: string) => boolean,
  nodeSnapshots: NodeSnapshots,
  kernel: Pick<KernelShard, "record">,
): void {
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
      const [state, log] = [stateOf(recovered, shard), openLog(shard)];
      const snapshots = nodeSnapshots.addPartition(state, log, definition.definition.retention);
      const partition = { shard, topic, index, log, store, clock, counters, state, snapshots, broken };
      board.partitions.set(topicShard(topic, index), new Partition(partition));
    });
  }
}
