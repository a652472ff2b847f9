/**
 * Which images a ledger still names, and the removal of those it does not. To be called where records were trimmed and
 * nothing is being activated: an image that is put before its record is written is named by nobody yet.
 */
import { decodeRecord } from "../../ledger/record.ts";
import type { ImageArchive } from "../../ports/image-archive.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import { listSnapshots, readSnapshot } from "../ledger/snapshot-reader.ts";

const PAGE = 512;

/** Hashes of the images that kept records, or the snapshots before them, name; reads every record of every capsule. */
export async function imagesKept(store: LedgerStore): Promise<ReadonlySet<string>> {
  const kept = new Set<string>();
  for (const shard of await store.shards()) {
    if (shard.startsWith("topic/") || shard.startsWith("kernel/")) continue;
    for (const { seq } of await listSnapshots(store, shard)) {
      const { image } = (await readSnapshot(store, shard, seq)).scalars;
      if (image !== null) kept.add(image);
    }
    const last = await store.lastSeq(shard);
    for (let seq = await store.firstSeq(shard); seq <= last; ) {
      const page = await store.read(shard, seq, PAGE);
      if (page.length === 0) break;
      for (const { bytes, seq: at } of page) {
        const record = decodeRecord(shard, at, bytes);
        if (record.kind === "activation") kept.add(record.image);
      }
      seq += page.length;
    }
  }
  return kept;
}

/** Removes what neither the ledger nor `alsoKeep` (what runs now) names; the hashes that went. */
export async function pruneImages(
  archive: ImageArchive,
  store: LedgerStore,
  alsoKeep: ReadonlySet<string>,
): Promise<readonly string[]> {
  const kept = await imagesKept(store);
  const gone = (await archive.list()).filter((hash) => !kept.has(hash) && !alsoKeep.has(hash));
  for (const hash of gone) await archive.remove(hash);
  return gone;
}
