/**
 * The ledger that an execution receipt holds, as far as a replay reads one: its records, the events they consumed, the
 * snapshot they begin with. What is in it was verified before (`verifyExecutionReceipt`); nothing can be written.
 */
import type { ExecutionReceipt, ReceiptRecord } from "@vnes/schemas";
import { fromHex } from "../ledger/chain.ts";
import type { LedgerStore, StoredRecord, Trimmed } from "../ports/ledger-store.ts";

const encoder = new TextEncoder();

export class ReceiptLedger implements LedgerStore {
  readonly #receipt: ExecutionReceipt;
  readonly #shards = new Map<string, StoredRecord[]>();

  constructor(receipt: ExecutionReceipt) {
    this.#receipt = receipt;
    this.#shards.set(
      receipt.shard,
      receipt.records.map((record) => storedOf(receipt.shard, record)),
    );
    for (const event of receipt.events) {
      const events = this.#shards.get(event.shard) ?? [];
      events.push(storedOf(event.shard, event));
      this.#shards.set(event.shard, events);
    }
    for (const records of this.#shards.values()) records.sort((a, b) => a.seq - b.seq);
  }

  /** A partition is kept in pieces, the events that were consumed: a read ends where a piece does. */
  async read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]> {
    const records = this.#shards.get(shard) ?? [];
    const first = records.findIndex(({ seq }) => seq >= from);
    if (first === -1) return [];
    let end = first;
    const start = records[first]?.seq ?? 0;
    while (end - first < limit && records[end]?.seq === start + (end - first)) end++;
    return records.slice(first, end);
  }

  async lastSeq(shard: string): Promise<number> {
    return this.#shards.get(shard)?.at(-1)?.seq ?? 0;
  }

  async firstSeq(shard: string): Promise<number> {
    return this.#shards.get(shard)?.[0]?.seq ?? 0;
  }

  async lastSnapshot(shard: string): Promise<number> {
    return shard === this.#receipt.shard ? (this.#receipt.snapshot?.seq ?? 0) : 0;
  }

  async shards(): Promise<readonly string[]> {
    return [...this.#shards.keys()].sort();
  }

  async readChunk(shard: string, name: string): Promise<Uint8Array | undefined> {
    if (shard !== this.#receipt.shard) return undefined;
    const chunk = this.#receipt.snapshot?.chunks.find((one) => one.name === name);
    return chunk === undefined ? undefined : encoder.encode(chunk.bytes);
  }

  async sizeBytes(): Promise<number> {
    return 0;
  }

  append(): Promise<number> {
    throw new Error("a receipt is not written to");
  }

  putChunk(): Promise<void> {
    throw new Error("a receipt is not written to");
  }

  trim(): Promise<Trimmed> {
    throw new Error("a receipt is not written to");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function storedOf(shard: string, { seq, hash, bytes }: ReceiptRecord): StoredRecord {
  return { shard, seq, hash: fromHex(hash), bytes: encoder.encode(bytes) };
}
