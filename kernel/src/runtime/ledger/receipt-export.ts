/** Reads what an execution receipt is made of from a running node's ledger, and has it signed by the node's key. */
import { canonicalJson, type ExecutionReceipt, type JsonObject, type SignedHead } from "@vnes/schemas";
import { type CapsuleImage } from "../../admission/image.ts";
import { assertChain, genesisHash, hex } from "../../ledger/chain.ts";
import { decodeRecord, type LedgerRecord } from "../../ledger/record.ts";
import type { StoredRecord } from "../../ports/ledger-store.ts";
import type { Signer } from "../../ports/signer.ts";
import { composeReceipt } from "../../receipts/compose.ts";
import { executionReceiptErrors } from "../../receipts/errors.ts";
import { executionReceiptBytes, headBytes } from "../../receipts/signing.ts";
import { referenceOf, seqsOf } from "../../replay/delivery.ts";
import { replayErrors } from "../../replay/errors.ts";
import type { Capsule } from "../node/capsule-table.ts";
import type { NodeContext } from "../node/node-context.ts";
import { RecordPages } from "./record-pages.ts";
import { recordedShard } from "./recorded-shard.ts";
import { type Beginning, newestState, recoverShardAt } from "../boot/recovery.ts";
import { snapshotAt } from "./receipt-base.ts";
import { listSnapshots } from "./snapshot-reader.ts";

/** Of records and events: with its escapes a receipt stays well below what the control socket answers at once. */
export const MAX_RECEIPT_BYTES: number = 4 * 1024 * 1024;
const PAGE = 256;

export interface ReceiptRequest {
  /** Number of the shard; default 0. */
  readonly shard?: number;
  readonly from?: number;
  readonly to?: number;
  /**
   * With everything to run it again without the node: the images whole, and the range widened to begin at a snapshot (or the
   * first record), whose state is in it.
   */
  readonly replayable?: boolean;
  /** What ran the turns, for people: `vnes 0.1.0`. */
  readonly tool: string;
  readonly toolchain: JsonObject;
  readonly environment: JsonObject;
}

/** The receipt's file. Rejects with `EXECUTION_RECEIPT_*`, `STATE_SHARD_*`, `REPLAY_IMAGE_MISSING`, `STATE_COMPACTED` and ledger errors. */
export async function exportReceipt(
  context: NodeContext,
  capsule: Capsule,
  request: ReceiptRequest,
): Promise<Uint8Array> {
  const { parts } = context;
  const { signer, ledger, digest, clock, node } = parts;
  if (signer === undefined) throw executionReceiptErrors.create("EXECUTION_RECEIPT_NO_SIGNER");
  const shard = await recordedShard(context, capsule, request.shard ?? 0);
  const asked = await rangeOf(context, shard, request);
  const replayable = request.replayable === true;
  const base = replayable
    ? await newestState(ledger, shard, digest, asked.from - 1)
    : await stateBefore(context, shard, asked.from);
  const from = base.state.seq + 1;
  const snapshotSeq = base.written === undefined ? 0 : (base.snapshots.at(-1)?.seq ?? 0);
  // The record that names the chunks lies behind the state they hold.
  const to = replayable ? Math.max(asked.to, snapshotSeq) : asked.to;
  const snapshot = replayable
    ? await snapshotAt(ledger, shard, base, MAX_RECEIPT_BYTES, () =>
        tooLarge(shard, { from, to }, snapshotSeq),
      )
    : undefined;
  const records = await readRange(context, shard, { from, to }, base.hash);
  const events = await eventsOf(context, shard, { from, to }, records);
  const images = await imagesOf(context, capsule, shard, base.state.image, records);
  const at = clock.now();
  const last = records.at(-1) as Read;
  const head = await signHead(signer, { node, shard, seq: to, hash: hex(last.stored.hash), at });
  const { tool, toolchain, environment } = request;
  const unsigned = composeReceipt(
    {
      node,
      shard,
      timestamp: new Date(at).toISOString(),
      image: base.state.image,
      anchor: base.hash,
      records,
      events,
      images,
      replayable,
      ...(snapshot === undefined ? {} : { snapshot }),
      tool,
      toolchain,
      environment,
      head,
      publicKey: signer.publicKey,
    },
    digest,
  );
  const signature = { key_id: signer.keyId, value: "" };
  const value = await signer.sign(executionReceiptBytes({ ...unsigned, signature }));
  const receipt: ExecutionReceipt = { ...unsigned, signature: { ...signature, value } };
  const bytes = canonicalJson(receipt);
  const file = new Uint8Array(bytes.length + 1);
  file.set(bytes);
  file[bytes.length] = LINE_FEED;
  return file;
}

const LINE_FEED = 0x0a;

async function stateBefore(
  { parts: { ledger, digest } }: NodeContext,
  shard: string,
  from: number,
): Promise<Beginning> {
  const base = await recoverShardAt(ledger, shard, from - 1, digest);
  return { ...base, hash: base.head.hash };
}

export async function signHead(
  signer: Signer,
  head: Omit<SignedHead, "key_id" | "value">,
): Promise<SignedHead> {
  return { ...head, key_id: signer.keyId, value: await signer.sign(headBytes(head)) };
}

interface Range {
  readonly from: number;
  readonly to: number;
}

async function rangeOf(
  { parts: { ledger } }: NodeContext,
  shard: string,
  request: ReceiptRequest,
): Promise<Range> {
  const last = await ledger.lastSeq(shard);
  const isTrimmed = (await ledger.firstSeq(shard)) > 1;
  const oldest = isTrimmed ? ((await listSnapshots(ledger, shard)).at(-1)?.through ?? 0) + 1 : 1;
  const { from = oldest, to = last } = request;
  if (from < 1 || from > to || to > last)
    throw executionReceiptErrors.create("EXECUTION_RECEIPT_RANGE_EMPTY", { shard, from, to, oldest, last });
  return { from, to };
}

interface Read {
  readonly stored: StoredRecord;
  readonly record: LedgerRecord;
}

async function readRange(
  { parts: { ledger, digest } }: NodeContext,
  shard: string,
  { from, to }: Range,
  anchor: Uint8Array,
): Promise<readonly Read[]> {
  const records: Read[] = [];
  let hash = anchor;
  let size = 0;
  for (let seq = from; seq <= to; ) {
    const page = await ledger.read(shard, seq, Math.min(PAGE, to - seq + 1));
    for (const stored of page) {
      hash = assertChain(shard, stored.seq, hash, stored.bytes, stored.hash, digest);
      size += stored.bytes.length;
      if (size > MAX_RECEIPT_BYTES) throw tooLarge(shard, { from, to }, stored.seq);
      records.push({ stored, record: decodeRecord(shard, stored.seq, stored.bytes) });
    }
    seq += page.length;
  }
  return records;
}

function tooLarge(shard: string, { from, to }: Range, seq: number): Error {
  const details = { shard, from, to, limit: MAX_RECEIPT_BYTES, seq: Math.max(from, seq - 1) };
  return executionReceiptErrors.create("EXECUTION_RECEIPT_TOO_LARGE", details);
}

/** What the turns consumed of topics, each event once, in order; of a batch everything between its first and its last. */
async function eventsOf(
  { parts: { ledger, digest } }: NodeContext,
  shard: string,
  range: Range,
  records: readonly Read[],
): Promise<readonly { readonly stored: StoredRecord; readonly before: Uint8Array }[]> {
  const wanted = new Map<string, Set<number>>();
  for (const { record } of records) {
    const reference = record.kind === "turn" ? referenceOf(record.input) : undefined;
    if (reference === undefined) continue;
    const seqs = wanted.get(reference.shard) ?? new Set();
    wanted.set(reference.shard, seqs);
    const [first = reference.seq] = seqsOf(reference);
    for (let seq = first; seq <= reference.seq; seq++) seqs.add(seq);
  }
  const pages = new RecordPages(ledger);
  const events: { stored: StoredRecord; before: Uint8Array }[] = [];
  let size = 0;
  for (const [partition, seqs] of wanted) {
    for (const seq of [...seqs].sort((a, b) => a - b)) {
      const stored = await pages.get(partition, seq);
      const before = seq === 1 ? genesisHash(partition, digest) : (await pages.get(partition, seq - 1))?.hash;
      if (stored === undefined || before === undefined) {
        const problem =
          stored === undefined ? "it is not in the ledger" : "the record before it is not in the ledger";
        throw replayErrors.create("REPLAY_INPUT_MISSING", {
          shard,
          seq: range.from,
          of: `${partition} ${seq}`,
          problem,
        });
      }
      size += stored.bytes.length;
      if (size > MAX_RECEIPT_BYTES) throw tooLarge(shard, range, Math.floor((range.from + range.to) / 2));
      events.push({ stored, before });
    }
  }
  return events;
}

async function imagesOf(
  { parts: { archive } }: NodeContext,
  capsule: Capsule,
  shard: string,
  before: string | null,
  records: readonly Read[],
): Promise<readonly CapsuleImage[]> {
  const hashes = new Set(before === null ? [] : [before]);
  for (const { record } of records) if (record.kind === "activation") hashes.add(record.image);
  const images: CapsuleImage[] = [];
  for (const hash of hashes) {
    const image = (await archive?.get(hash)) ?? (capsule.image.hash === hash ? capsule.image : undefined);
    if (image === undefined) throw replayErrors.create("REPLAY_IMAGE_MISSING", { image: hash, shard });
    images.push(image);
  }
  return images;
}
