/** The shard of a capsule whose records somebody asks for. */
import { capsuleShard } from "../../bus/routing.ts";
import { stateErrors } from "../../state/errors.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { type NodeContext, shardsOf } from "../node/node-context.ts";

/**
 * Its name in the ledger. Records of a shard that the capsule had when it had more of them can still be asked for. Rejects
 * with `STATE_SHARD_UNKNOWN` or `STATE_SHARD_EMPTY`.
 */
export async function recordedShard(
  context: Pick<NodeContext, "parts">,
  capsule: Pick<Capsule, "id" | "manifest">,
  slot: number,
): Promise<string> {
  const names = shardsOf(context, capsule);
  const shard = names[slot] ?? capsuleShard(capsule.id, slot);
  if ((await context.parts.ledger.lastSeq(shard)) > 0) return shard;
  if (slot < names.length) throw stateErrors.create("STATE_SHARD_EMPTY", { shard });
  throw stateErrors.create("STATE_SHARD_UNKNOWN", { capsule: capsule.id, shards: names.length, shard: slot });
}
