/** V2 of `verify.ts`: each event that a turn consumed is in the receipt and is the one its record names. */
import type { ExecutionReceipt } from "@vnes/schemas";
import { chainHash, fromHex, hex } from "../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../ledger/record.ts";
import type { Digest } from "../ports/digest.ts";
import { referenceOf, seqsOf } from "../replay/delivery.ts";
import { refusal, type Refusal } from "./refusal.ts";

const encoder = new TextEncoder();

export function eventRefusals(
  { events }: ExecutionReceipt,
  records: readonly LedgerRecord[],
  digest: Digest,
): readonly Refusal[] {
  const known = new Map<string, { readonly hash: string; readonly before: string }>();
  for (const [index, { shard, seq, before, hash, bytes }] of events.entries()) {
    const pointer = `/events/${index}`;
    if (hex(chainHash(fromHex(before), encoder.encode(bytes), digest)) !== hash)
      return [refusal("INPUT_WRONG", pointer, `event ${shard} ${seq} is not what its hash says`)];
    try {
      if (decodeRecord(shard, seq, encoder.encode(bytes)).kind !== "event")
        return [refusal("INPUT_WRONG", pointer, `${shard} ${seq} is no event`)];
    } catch (error) {
      return [refusal("INPUT_WRONG", pointer, error instanceof Error ? error.message : String(error))];
    }
    known.set(`${shard} ${seq}`, { hash, before });
  }
  for (const [index, record] of records.entries()) {
    const reference = record.kind === "turn" ? referenceOf(record.input) : undefined;
    if (reference === undefined) continue;
    const pointer = `/records/${index}`;
    // The record names the last event; those before it are tied to it by the chain they are in.
    const [first = reference.seq] = seqsOf(reference);
    let expected = reference.hash;
    for (let seq = reference.seq; seq >= first; seq--) {
      const event = known.get(`${reference.shard} ${seq}`);
      if (event === undefined)
        return [
          refusal("INPUT_WRONG", pointer, `the event it consumed, ${reference.shard} ${seq}, is not there`),
        ];
      if (event.hash !== expected)
        return [
          refusal("INPUT_WRONG", pointer, `it consumed another event than ${reference.shard} ${seq} is`),
        ];
      expected = event.before;
    }
  }
  return [];
}
