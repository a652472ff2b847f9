/**
 * Which ledger group a shard lies in. The ledger store and the table that routes between nodes use this one function,
 * so where a record is kept and who may write it cannot differ.
 */
import { keyHash } from "../bus/routing.ts";

/** More streams than this cost a server more than they spread. */
export const MAX_LEDGER_GROUPS = 256;
export const DEFAULT_LEDGER_GROUPS = 16;

const NODE_GROUP = "node-";
/**
 * Shards that belong to a node, not to the system: `kernel/<node>` and everything under it, `branch/<node>/...`, and
 * `<capsule>/0@<node>`.
 */
const OF_NODE = /^(?:kernel|branch)\/([^/]+)(?:\/|$)|@([^/@]+)$/;

/** `g<n>` for a shard of the system, `node-<name>` for one that only that node writes, whichever groups it owns. */
export function ledgerGroupOf(shard: string, groups: number): string {
  const [, its, placed] = OF_NODE.exec(shard) ?? [];
  const node = its ?? placed;
  return node === undefined ? `g${keyHash(shard) % groups}` : nodeGroup(node);
}

export function nodeGroup(node: string): string {
  return `${NODE_GROUP}${node}`;
}

/** Names of the groups that nodes share out among themselves. */
export function sharedGroups(groups: number): readonly string[] {
  return Array.from({ length: groups }, (_, index) => `g${index}`);
}
