/**
 * A ledger store that keeps its records in this process. "Durable" means kept by a `LedgerMemory`, which outlives the
 * store as a disk outlives a process: open another store on it to see what a crash would have left.
 *
 * Owns the queue of appends waiting for a commit; a commit takes what was issued since the last one.
 */
import {
  appendProblem,
  ledgerErrors,
  type LedgerStore,
  type NewRecord,
  type StoredRecord,
} from "@vnes/kernel";
import type { StoreFaults } from "./faults.ts";

/** What stands in for a path in messages. */
const PATH = "memory";

/** The disk: committed records by shard. One store at a time holds it. */
export class LedgerMemory {
  readonly shards: Map<string, StoredRecord[]> = new Map();
  /** Commits ever made, over every store opened on it. */
  commits = 0;
  /** The store that holds it. A crashed or closed store lets go. */
  holder: MemoryLedgerStore | undefined;

  /** A copy as it stands now: what a power cut at this moment would leave. */
  copy(): LedgerMemory {
    const copy = new LedgerMemory();
    for (const [shard, records] of this.shards) copy.shards.set(shard, [...records]);
    copy.commits = this.commits;
    return copy;
  }
}

interface Waiting {
  readonly shard: string;
  readonly expectedSeq: number;
  readonly records: readonly NewRecord[];
  readonly number: number;
  resolve(seq: number): void;
  reject(error: unknown): void;
}

export class MemoryLedgerStore implements LedgerStore {
  readonly #memory: LedgerMemory;
  readonly #faults: StoreFaults;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #appends = 0;
  #state: "open" | "closed" | "broken" | "crashed" = "open";

  constructor(memory: LedgerMemory = new LedgerMemory(), faults: StoreFaults = {}) {
    if (memory.holder !== undefined)
      throw ledgerErrors.create("LEDGER_IN_USE", { path: PATH, owner: "another store of this process" });
    memory.holder = this;
    this.#memory = memory;
    this.#faults = faults;
  }

  /** True once a crash point was reached: nothing resolves or rejects any more, as after `kill -9`. */
  get crashed(): boolean {
    return this.#state === "crashed";
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    if (this.#state === "closed") return Promise.reject(ledgerErrors.create("LEDGER_CLOSED", { path: PATH }));
    if (this.#state === "broken") return Promise.reject(this.#ioFailed());
    if (this.#state === "crashed") return new Promise(() => undefined);
    const problem = appendProblem(shard, records);
    if (problem !== undefined) return Promise.reject(problem);
    const kept = records.map(({ bytes, hash }) => ({ bytes: bytes.slice(), hash: hash.slice() }));
    return new Promise<number>((resolve, reject) => {
      this.#waiting.push({ shard, expectedSeq, records: kept, number: ++this.#appends, resolve, reject });
      this.#committing ??= this.#commitSoon();
    });
  }

  async read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]> {
    this.#assertOpen();
    const start = Math.max(from, 1) - 1;
    const page = this.#memory.shards.get(shard)?.slice(start, start + Math.max(limit, 0)) ?? [];
    return page.map((record) => ({ ...record, bytes: record.bytes.slice(), hash: record.hash.slice() }));
  }

  async lastSeq(shard: string): Promise<number> {
    this.#assertOpen();
    return this.#memory.shards.get(shard)?.length ?? 0;
  }

  async shards(): Promise<readonly string[]> {
    this.#assertOpen();
    return [...this.#memory.shards.keys()].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "crashed") return;
    await this.#committing;
    this.#state = "closed";
    this.#letGo();
  }

  async #commitSoon(): Promise<void> {
    const rounds = this.#faults.delay?.(this.#memory.commits + 1) ?? 0;
    for (let round = 0; round <= rounds; round++) await new Promise((resume) => setImmediate(resume));
    if (this.#state === "crashed") return;
    this.#committing = undefined;
    this.#commit();
  }

  #commit(): void {
    const group = this.#waiting;
    this.#waiting = [];
    const commit = this.#memory.commits + 1;
    const crash = this.#faults.crashAtCommit;
    if (crash?.commit === commit && !crash.kept) {
      this.#crash();
      return;
    }
    this.#memory.commits = commit;
    const failed = new Map<string, unknown>();
    const answers = group.map((one) => this.#keep(one, failed));
    if (crash?.commit === commit) {
      this.#crash();
      return;
    }
    for (const answer of answers) answer();
  }

  /** Keeps one append or not; the function returned tells its caller. */
  #keep(one: Waiting, failed: Map<string, unknown>): () => void {
    const refuse = (error: unknown) => {
      failed.set(one.shard, error);
      return () => one.reject(error);
    };
    if (this.#faults.ioFailedAt !== undefined && one.number >= this.#faults.ioFailedAt)
      this.#state = "broken";
    if (this.#state === "broken") return refuse(this.#ioFailed());
    const earlier = failed.get(one.shard);
    if (earlier !== undefined) return refuse(earlier);
    if (this.#faults.diskFullAt?.has(one.number)) {
      return refuse(ledgerErrors.create("LEDGER_DISK_FULL", { path: PATH }));
    }
    const records = this.#memory.shards.get(one.shard) ?? [];
    if (records.length !== one.expectedSeq) {
      const details = { shard: one.shard, lastSeq: records.length, expectedSeq: one.expectedSeq };
      return refuse(ledgerErrors.create("LEDGER_SEQUENCE_CONFLICT", details));
    }
    for (const record of one.records) records.push({ shard: one.shard, seq: records.length + 1, ...record });
    if (records.length > 0) this.#memory.shards.set(one.shard, records);
    const seq = records.length;
    return () => one.resolve(seq);
  }

  #crash(): void {
    this.#state = "crashed";
    this.#waiting = [];
    this.#letGo();
  }

  #letGo(): void {
    if (this.#memory.holder === this) this.#memory.holder = undefined;
  }

  #ioFailed(): Error {
    return ledgerErrors.create("LEDGER_IO_FAILED", { path: PATH, problem: "a fault of the simulation" });
  }

  #assertOpen(): void {
    if (this.#state === "closed") throw ledgerErrors.create("LEDGER_CLOSED", { path: PATH });
  }
}
