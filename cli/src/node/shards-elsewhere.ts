/** Which shards of a capsule another node of the cluster runs, by the table in this node's configuration. */
import type { Manifest } from "@vnes/schemas";
import type { Place } from "../shell.ts";

export interface ShardElsewhere {
  readonly shard: string;
  readonly node: string;
}

/** None for a node that stands alone, and of a capsule that has a shard on each node. */
export async function shardsElsewhere(
  place: Place,
  { id, state }: Pick<Manifest, "id" | "state">,
): Promise<readonly ShardElsewhere[]> {
  const { config } = place;
  if (config.cluster === undefined || state?.placement === "each_node") return [];
  const [{ ownerOf }, { clusterTable }] = await Promise.all([
    import("@vnes/kernel"),
    import("./open-cluster.ts"),
  ]);
  // The servers, which `--bus` may have named, say nothing about owners.
  const table = clusterTable(place, config.bus ?? { servers: [] });
  if (table === undefined) return [];
  return Array.from({ length: state?.shards ?? 1 }, (_, slot) => `${id}/${slot}`).flatMap((shard) => {
    const node = ownerOf(table, shard);
    return node === undefined || node === place.node ? [] : [{ shard, node }];
  });
}
