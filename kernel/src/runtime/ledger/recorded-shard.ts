/** The shard of a capsule whose records somebody asks for. */
import { capsuleShard } from "../../bus/routing.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import { stateErrors } from "../../state/errors.ts";
import type { Capsule } from "../node/capsule-table.ts";

/**
 * Its name in the ledger. Records of a shard that the capsule had when it had more of them can still be asked for. Rejects
 * with `STATE_SHARD_UNKNOWN` or `STATE_SHARD_EMPTY`.
 */
export async function recordedShard(
  ledger: Pick<LedgerStore, "lastSeq">,
  { id, manifest }: Pick<Capsule, "id"> & { readonly manifest: Pick<Capsule["manifest"], "state"> },
  slot: number,
): Promise<string> {
  const shard = capsuleShard(id, slot);
  if ((await ledger.lastSeq(shard)) > 0) return shard;
  const shards = manifest.state?.shards ?? 1;
  if (slot < shards) throw stateErrors.create("STATE_SHARD_EMPTY", { shard });
  throw stateErrors.create("STATE_SHARD_UNKNOWN", { capsule: id, shards, shard: slot });
}
