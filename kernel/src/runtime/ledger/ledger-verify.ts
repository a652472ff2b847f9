/**
 * Reads a whole ledger and says of every shard whether it is what its owner wrote: each record decodes, each hash follows
 * from the one before, time never goes back, and what refers to another shard finds there what it says.
 *
 * Where a shard was trimmed, its chain begins at the snapshot behind which records were kept; a snapshot's chunks are read
 * under their hashes, and its `head` has to be the chain's own.
 */
import { isVnesError, type VnesError } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import { assertChain, fromHex, genesisHash, hex } from "../../ledger/chain.ts";
import { decodeRecord, type LedgerRecord, snapshotOf } from "../../ledger/record.ts";
import { type Reference, referenceProblem, referencesIn } from "../../ledger/references.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore, StoredRecord } from "../../ports/ledger-store.ts";
import { type DecodedRecord, RecordPages } from "./record-pages.ts";
import { listSnapshots, loadSnapshot, readSnapshot } from "./snapshot-reader.ts";

const PAGE = 512;

export interface Damage {
  readonly shard: string;
  readonly seq: number;
  readonly code: string;
  readonly message: string;
}

export interface ShardVerdict {
  readonly shard: string;
  /** Oldest and last record. */
  readonly first: number;
  readonly last: number;
  /** Hex of the last hash that follows from all before it. */
  readonly head: string;
  readonly references: number;
  /** References into shards that are in no ledger of this node, or to records that were trimmed: nothing to look at. */
  readonly elsewhere: number;
  /** Kept snapshots, every chunk of which was read. */
  readonly snapshots: number;
  /** The first thing that is wrong; nothing behind it in this shard was looked at. */
  readonly damage: Damage | null;
}

export interface VerifyOptions {
  /** Only these; default all. */
  readonly shards?: readonly string[];
  readonly onShard?: (verdict: ShardVerdict) => void;
  /**
   * The store is the only one its node ever wrote to, as an embedded file is: a shard whose head the node signed has to be
   * in it. Default false: it may lie with another node.
   */
  readonly isOnlyStore?: boolean;
}

/** Never rejects for what is wrong with a record: that is the answer. */
export async function verifyLedger(
  store: LedgerStore,
  digest: Digest,
  options: VerifyOptions = {},
): Promise<readonly ShardVerdict[]> {
  const all = await store.shards();
  const { isOnlyStore = false } = options;
  const ledger = { store, digest, pages: new RecordPages(store), known: new Set(all), isOnlyStore };
  const verdicts: ShardVerdict[] = [];
  for (const shard of options.shards ?? all) {
    const verdict = await verifyShard(ledger, shard);
    verdicts.push(verdict);
    options.onShard?.(verdict);
  }
  return verdicts;
}

interface Ledger {
  readonly store: LedgerStore;
  readonly digest: Digest;
  readonly pages: RecordPages;
  /** Shards with records. */
  readonly known: ReadonlySet<string>;
  readonly isOnlyStore: boolean;
}

async function verifyShard(ledger: Ledger, shard: string): Promise<ShardVerdict> {
  const { store, digest } = ledger;
  const first = await store.firstSeq(shard);
  const last = await store.lastSeq(shard);
  const counts = { references: 0, elsewhere: 0, snapshots: 0 };
  let hash = genesisHash(shard, digest);
  let seq = first;
  let at = 0;
  let size = PAGE;
  const verdict = (damage: Damage | null): ShardVerdict => ({
    shard,
    first,
    last,
    head: hex(hash),
    ...counts,
    damage,
  });
  try {
    const anchors = await anchorsOf(ledger, shard);
    counts.snapshots = anchors.size;
    const anchor = anchors.get(first - 1);
    if (anchor !== undefined) hash = fromHex(anchor.head);
    let newest = 0;
    while (seq <= last) {
      const page = await readPage(store, shard, seq, size);
      if (page === undefined) {
        // One record of it cannot be read: go on one by one, to say which.
        size = 1;
        continue;
      }
      if (page.length === 0) return verdict({ shard, seq, ...told(missing(shard, seq)) });
      for (const { bytes, hash: stored } of page) {
        // What was trimmed without a snapshot just before it has only the store's checksum to show.
        const isAdrift = seq === first && first > 1 && anchor === undefined;
        hash = isAdrift ? stored : assertChain(shard, seq, hash, bytes, stored, digest);
        const said = anchors.get(seq);
        if (said !== undefined && said.head !== hex(hash)) throw strayHead(shard, said.seq);
        const record = decodeRecord(shard, seq, bytes);
        if (record.at < at) throw backInTime(shard, seq);
        at = record.at;
        if (snapshotOf(record) !== undefined) newest = seq;
        for (const reference of referencesIn(shard, record)) {
          counts.references++;
          if (await isElsewhere(ledger, shard, seq, reference, record.kind)) counts.elsewhere++;
        }
        seq++;
      }
    }
    if (newest !== (await store.lastSnapshot(shard))) throw lostSnapshot(shard, Math.max(newest, first));
    return verdict(null);
  } catch (error) {
    if (!isVnesError(error)) throw error;
    const place = error.details["seq"];
    return verdict({ shard, seq: typeof place === "number" ? place : seq, ...told(error) });
  }
}

interface Anchor {
  /** Of the record that names the snapshot. */
  readonly seq: number;
  /** Hex of the chain's hash after the last record the snapshot holds. */
  readonly head: string;
}

/** By the last record each kept snapshot holds. Throws what is wrong with one of them. */
async function anchorsOf({ store, digest }: Ledger, shard: string): Promise<ReadonlyMap<number, Anchor>> {
  const anchors = new Map<number, Anchor>();
  for (const { seq } of await listSnapshots(store, shard)) {
    const snapshot = await readSnapshot(store, shard, seq);
    await loadSnapshot(store, shard, seq, snapshot, digest);
    anchors.set(snapshot.through, { seq, head: snapshot.head });
  }
  return anchors;
}

/** True when there is nothing to compare with; throws `LEDGER_REFERENCE_WRONG`. */
async function isElsewhere(
  { store, pages, known, isOnlyStore }: Ledger,
  shard: string,
  seq: number,
  reference: Reference,
  kind: LedgerRecord["kind"],
): Promise<boolean> {
  const wrong = (problem: string): VnesError =>
    kernelErrors.create("LEDGER_REFERENCE_WRONG", {
      shard,
      seq,
      of: `${reference.shard} ${reference.seq}`,
      problem,
    });
  if (!known.has(reference.shard)) {
    // Only heads of shards in its own store are signed by a node, and a trim leaves a shard its newest records.
    if (isOnlyStore && kind === "kernel")
      throw wrong(`the whole shard ${reference.shard} is missing, whose head the node signed`);
    return true;
  }
  if (reference.seq < (await store.firstSeq(reference.shard))) return true;
  const found = await readable(pages, reference);
  if (found === "unreadable") return true;
  if (found === undefined) throw wrong("there is no such record");
  const problem = referenceProblem(reference, found);
  if (problem !== undefined) throw wrong(problem);
  return false;
}

/** A record that cannot be read is damage of the shard it is in, and said there. */
async function readable(
  pages: RecordPages,
  { shard, seq }: Reference,
): Promise<DecodedRecord | "unreadable" | undefined> {
  try {
    return await pages.decoded(shard, seq);
  } catch (error) {
    if (isVnesError(error)) return "unreadable";
    throw error;
  }
}

/** Undefined when more than one was asked for and the store refuses them. */
async function readPage(
  store: LedgerStore,
  shard: string,
  from: number,
  limit: number,
): Promise<readonly StoredRecord[] | undefined> {
  try {
    return await store.read(shard, from, limit);
  } catch (error) {
    if (limit > 1 && isVnesError(error)) return undefined;
    throw error;
  }
}

function missing(shard: string, seq: number): VnesError {
  return kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem: "it is missing" });
}

function backInTime(shard: string, seq: number): VnesError {
  return kernelErrors.create("LEDGER_RECORD_INVALID", {
    shard,
    seq,
    problem: "its time is before that of the record before it",
  });
}

function strayHead(shard: string, seq: number): VnesError {
  const problem = "its snapshot was made of another history than the records say";
  return kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem });
}

function lostSnapshot(shard: string, seq: number): VnesError {
  const problem = "the store names another record as the newest snapshot";
  return kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem });
}

function told({ code, message }: VnesError): { readonly code: string; readonly message: string } {
  return { code, message };
}
