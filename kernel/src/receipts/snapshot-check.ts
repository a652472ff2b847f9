/** V4 of `verify.ts`: the state before the range is the one that a record of the range names, chunk by chunk. */
import type { ExecutionReceipt } from "@vnes/schemas";
import { type LedgerRecord, snapshotOf } from "../ledger/record.ts";
import { chunkName, chunksOf } from "../ledger/snapshot.ts";
import type { Digest } from "../ports/digest.ts";
import { refusal, type Refusal } from "./refusal.ts";

const encoder = new TextEncoder();

export function snapshotRefusals(
  { snapshot, range, anchor, image }: ExecutionReceipt,
  records: readonly LedgerRecord[],
  digest: Digest,
): readonly Refusal[] {
  if (snapshot === undefined) return [];
  const record = records[snapshot.seq - range.from];
  const named = record === undefined ? undefined : snapshotOf(record);
  if (named === undefined)
    return [refusal("SNAPSHOT_WRONG", "/snapshot/seq", `record ${snapshot.seq} names no snapshot`)];
  if (named.through !== range.from - 1 || named.head !== anchor || named.scalars.image !== image)
    return [refusal("SNAPSHOT_WRONG", "/snapshot", "it is not the state before the range")];
  const wanted = [...new Set(chunksOf(named))];
  for (const [index, { name, bytes }] of snapshot.chunks.entries()) {
    if (name !== wanted[index])
      return [refusal("SNAPSHOT_WRONG", `/snapshot/chunks/${index}`, "the record names another chunk here")];
    if (chunkName(encoder.encode(bytes), digest) !== name)
      return [refusal("SNAPSHOT_WRONG", `/snapshot/chunks/${index}`, "it is not what its hash says")];
  }
  if (snapshot.chunks.length !== wanted.length)
    return [refusal("SNAPSHOT_WRONG", "/snapshot/chunks", "the record names other chunks as well")];
  return [];
}
