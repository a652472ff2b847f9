/**
 * Which node owns which ledger group, and with it every shard in the group. Every node is given the same table; it does
 * not change while they run.
 */
import { keyHash } from "../bus/routing.ts";
import { ledgerGroupOf, MAX_LEDGER_GROUPS, nodeGroup } from "./ledger-group.ts";

/** Node name to the numbers of the groups it owns, as the configuration says it. */
export interface ClusterConfig {
  readonly groups: number;
  readonly owners: { readonly [node: string]: readonly number[] };
}

export interface OwnerTable {
  /** The node that asks. */
  readonly node: string;
  readonly groups: number;
  /** All nodes, sorted, this one included. */
  readonly nodes: readonly string[];
  /** The owner of a shared group, by its number. */
  readonly owners: readonly string[];
  /** Equal on nodes that were given the same table. */
  readonly fingerprint: string;
}

/** The table, or the first thing that is wrong with it. */
export function ownerTable(
  { groups, owners }: ClusterConfig,
  node: string,
): { readonly ok: true; readonly table: OwnerTable } | { readonly ok: false; readonly problem: string } {
  const wrong = (problem: string): { readonly ok: false; readonly problem: string } => ({
    ok: false,
    problem,
  });
  if (!Number.isInteger(groups) || groups < 1 || groups > MAX_LEDGER_GROUPS)
    return wrong(`there are 1 to ${MAX_LEDGER_GROUPS} groups, not ${groups}`);
  const nodes = Object.keys(owners).sort();
  if (!nodes.includes(node)) return wrong(`it does not name this node, ${node}`);
  const byGroup: (string | undefined)[] = Array.from({ length: groups });
  for (const name of nodes) {
    for (const group of owners[name] ?? []) {
      if (!Number.isInteger(group) || group < 0 || group >= groups)
        return wrong(`${name} owns group ${group}, and groups are 0 to ${groups - 1}`);
      const other = byGroup[group];
      if (other !== undefined) return wrong(`group ${group} is owned by ${other} and by ${name}`);
      byGroup[group] = name;
    }
  }
  const free = byGroup.indexOf(undefined);
  if (free >= 0) return wrong(`nobody owns group ${free}`);
  const table = byGroup as string[];
  const fingerprint = keyHash(JSON.stringify([nodes, table])).toString(16);
  return { ok: true, table: { node, groups, nodes, owners: table, fingerprint } };
}

/** The one node that writes the shard and runs what belongs to it. */
export function ownerOf({ groups, owners, nodes }: OwnerTable, shard: string): string | undefined {
  const group = ledgerGroupOf(shard, groups);
  if (group.startsWith("g")) return owners[Number(group.slice(1))];
  return nodes.find((node) => nodeGroup(node) === group);
}

export function isOwn(table: OwnerTable, shard: string): boolean {
  return ownerOf(table, shard) === table.node;
}

/** Names of the groups this node owns, its own included: what its ledger store claims. */
export function ownGroups({ node, owners }: OwnerTable): readonly string[] {
  const shared = owners.flatMap((owner, index) => (owner === node ? [`g${index}`] : []));
  return [...shared, nodeGroup(node)];
}
