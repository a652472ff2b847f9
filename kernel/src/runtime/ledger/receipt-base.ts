/** What an execution receipt holds besides records when it is to be run again: the state before them, and the images whole. */
import type { ReceiptSnapshot } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import { chunksOf } from "../../ledger/snapshot.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Beginning } from "../boot/recovery.ts";
import { readSnapshot } from "./snapshot-reader.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Undefined for a beginning at the first record. `limit` is in bytes; beyond it `tooLarge` is thrown. */
export async function snapshotAt(
  ledger: LedgerStore,
  shard: string,
  { written, snapshots }: Beginning,
  limit: number,
  tooLarge: () => Error,
): Promise<ReceiptSnapshot | undefined> {
  const kept = written === undefined ? undefined : snapshots.at(-1);
  if (kept === undefined) return undefined;
  const { seq } = kept;
  const names = [...new Set(chunksOf(await readSnapshot(ledger, shard, seq)))];
  const chunks: { name: string; bytes: string }[] = [];
  let size = 0;
  for (const name of names) {
    const bytes = await ledger.readChunk(shard, name);
    if (bytes === undefined)
      throw kernelErrors.create("SNAPSHOT_CHUNK_DAMAGED", {
        shard,
        seq,
        chunk: name,
        problem: "it is missing",
      });
    size += bytes.length;
    if (size > limit) throw tooLarge();
    chunks.push({ name, bytes: decoder.decode(bytes) });
  }
  return { seq, chunks };
}
