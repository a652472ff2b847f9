/**
 * What the shards of a capsule are called, which also says where they lie. A capsule placed on each node has one there, in
 * the node's own ledger group: it works with what only that node has, its devices.
 */
import type { Manifest } from "@vnes/schemas";
import { capsuleShard, slotOf } from "../bus/routing.ts";

/** A node, by its name, and whether others share its ledger. */
export interface Standing {
  readonly node: string;
  readonly isAlone: boolean;
}

/** In the order of their slots. A node that stands alone has nobody to tell its shard from. */
export function shardNames(
  { id, state }: Pick<Manifest, "id" | "state">,
  { node, isAlone }: Standing,
): readonly string[] {
  if (state?.placement === "each_node") return [isAlone ? capsuleShard(id, 0) : nodeShard(id, node)];
  return Array.from({ length: state?.shards ?? 1 }, (_, slot) => capsuleShard(id, slot));
}

/** Of the names a capsule's shards have here: the one that takes what has this key. */
export function shardForKey(names: readonly string[], key: string): string {
  return names[slotOf(key, names.length)] as string;
}

/** One of a capsule that has one on each node. */
export function isNodeShard(shard: string): boolean {
  return shard.includes("@");
}

function nodeShard(capsule: string, node: string): string {
  return `${capsuleShard(capsule, 0)}@${node}`;
}
