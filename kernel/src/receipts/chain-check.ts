/** V2 of `verify.ts`: the records of a receipt follow from its anchor to its signed head. */
import type { ExecutionReceipt } from "@vnes/schemas";
import { chainHash, fromHex, hex } from "../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../ledger/record.ts";
import type { Digest } from "../ports/digest.ts";
import { refusal, type Refusal } from "./refusal.ts";

const encoder = new TextEncoder();

/** The records up to the first that is wrong, and that one's refusal; at most one. */
export function readRecords(
  { shard, range, anchor, records, head, capsule }: ExecutionReceipt,
  digest: Digest,
): { readonly records: readonly LedgerRecord[]; readonly refusals: readonly Refusal[] } {
  const read: LedgerRecord[] = [];
  const stop = (...reason: Parameters<typeof refusal>): ReturnType<typeof readRecords> => {
    return { records: read, refusals: [refusal(...reason)] };
  };
  if (shard.slice(0, shard.lastIndexOf("/")) !== capsule.id)
    return stop("RECORD_WRONG", "/capsule/id", `the shard is ${shard}, the capsule ${capsule.id}`);
  let hash = fromHex(anchor);
  for (const [index, { seq, hash: said, bytes }] of records.entries()) {
    const pointer = `/records/${index}`;
    if (seq !== range.from + index)
      return stop("CHAIN_WRONG", `${pointer}/seq`, `record ${range.from + index} is not there`);
    const encoded = encoder.encode(bytes);
    hash = chainHash(hash, encoded, digest);
    if (hex(hash) !== said)
      return stop("CHAIN_WRONG", pointer, `record ${seq} does not follow from the record before it`);
    try {
      read.push(decodeRecord(shard, seq, encoded));
    } catch (error) {
      return stop("RECORD_WRONG", pointer, error instanceof Error ? error.message : String(error));
    }
  }
  if (range.to !== range.from + records.length - 1)
    return stop("CHAIN_WRONG", "/range/to", `the records end at ${range.from + records.length - 1}`);
  if (head.shard !== shard || head.seq !== range.to || head.hash !== hex(hash))
    return stop("HEAD_WRONG", "/head", "the signed head is not that of the last record");
  return { records: read, refusals: [] };
}
