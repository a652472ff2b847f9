/**
 * A ledger store that keeps its records in this process. "Durable" means kept by a `LedgerMemory`, which outlives the
 * store as a disk outlives a process: open another store on it to see what a crash would have left.
 *
 * Owns the queue of appends waiting for a commit; a commit takes what was issued since the last one.
 */
import {
  appendProblem,
  assertTrim,
  chunkProblem,
  ledgerErrors,
  type LedgerStore,
  type NewRecord,
  type StoredRecord,
  type Trimmed,
} from "@vnes/kernel";
import type { StoreFaults } from "./faults.ts";

/** What stands in for a path in messages. */
const PATH = "memory";

/** The disk: committed records by shard. One store at a time holds it. */
export class LedgerMemory {
  /** Kept records, the oldest first; never empty. */
  readonly shards: Map<string, StoredRecord[]> = new Map();
  /** Chunks of each shard by name. */
  readonly chunks: Map<string, Map<string, Uint8Array>> = new Map();
  /** Seq of the newest snapshot record of each shard that has one. */
  readonly snapshots: Map<string, number> = new Map();
  /** Commits ever made, over every store opened on it. */
  commits = 0;
  /** The store that holds it. A crashed or closed store lets go. */
  holder: MemoryLedgerStore | undefined;
  /** What was trimmed, where the memory was made to keep it; the oldest first. No store reads it. */
  readonly #trimmed: Map<string, StoredRecord[]> | undefined;

  /** `keepTrimmed`: for who checks a whole history afterwards. */
  constructor({ keepTrimmed = false }: { readonly keepTrimmed?: boolean } = {}) {
    this.#trimmed = keepTrimmed ? new Map() : undefined;
  }

  /** Seq of the shard's last durable record. */
  lastSeq(shard: string): number {
    return this.shards.get(shard)?.at(-1)?.seq ?? 0;
  }

  /** Every record there ever was, as far as it was kept. */
  everRecorded(): ReadonlyMap<string, readonly StoredRecord[]> {
    const all = [...this.shards].map(
      ([shard, kept]) => [shard, [...(this.#trimmed?.get(shard) ?? []), ...kept]] as const,
    );
    return new Map(all);
  }

  /** Drops the oldest `count` records of a shard. */
  drop(shard: string, count: number): void {
    const kept = this.shards.get(shard) ?? [];
    this.shards.set(shard, kept.slice(count));
    const dropped = kept.slice(0, count);
    const before = this.#trimmed?.get(shard);
    if (before === undefined) this.#trimmed?.set(shard, dropped);
    else for (const record of dropped) before.push(record);
  }

  /** A copy as it stands now: what a power cut at this moment would leave. */
  copy(): LedgerMemory {
    const copy = new LedgerMemory();
    for (const [shard, records] of this.shards) copy.shards.set(shard, [...records]);
    for (const [shard, chunks] of this.chunks) copy.chunks.set(shard, new Map(chunks));
    for (const [shard, seq] of this.snapshots) copy.snapshots.set(shard, seq);
    copy.commits = this.commits;
    return copy;
  }
}

interface Append {
  readonly shard: string;
  readonly expectedSeq: number;
  readonly records: readonly NewRecord[];
  readonly number: number;
  resolve(seq: number): void;
  reject(error: unknown): void;
}

/** Work on chunks, or a piece of a trim: commits with the appends issued beside it. */
interface Chore {
  run(): void;
  resolve(): void;
  reject(error: unknown): void;
}

type Waiting = Append | Chore;

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
    const kept = records.map(({ bytes, hash, ...mark }) => ({
      bytes: bytes.slice(),
      hash: hash.slice(),
      ...mark,
    }));
    return new Promise<number>((resolve, reject) => {
      this.#waiting.push({ shard, expectedSeq, records: kept, number: ++this.#appends, resolve, reject });
      this.#committing ??= this.#commitSoon();
    });
  }

  async read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]> {
    this.#assertOpen();
    if (this.#state === "crashed") return new Promise(() => undefined);
    const records = this.#memory.shards.get(shard) ?? [];
    const start = Math.max(from - (records[0]?.seq ?? 1), 0);
    const page = records.slice(start, start + Math.max(limit, 0));
    return page.map((record) => ({ ...record, bytes: record.bytes.slice(), hash: record.hash.slice() }));
  }

  async lastSeq(shard: string): Promise<number> {
    this.#assertOpen();
    return this.#memory.shards.get(shard)?.at(-1)?.seq ?? 0;
  }

  async firstSeq(shard: string): Promise<number> {
    this.#assertOpen();
    return this.#memory.shards.get(shard)?.[0]?.seq ?? 0;
  }

  async lastSnapshot(shard: string): Promise<number> {
    this.#assertOpen();
    return this.#memory.snapshots.get(shard) ?? 0;
  }

  async shards(): Promise<readonly string[]> {
    this.#assertOpen();
    return [...this.#memory.shards.keys()].sort();
  }

  async putChunk(shard: string, name: string, bytes: Uint8Array): Promise<void> {
    const problem = chunkProblem(shard, bytes);
    if (problem !== undefined) throw problem;
    const kept = bytes.slice();
    await this.#chore(() => {
      const chunks = this.#memory.chunks.get(shard) ?? new Map<string, Uint8Array>();
      this.#memory.chunks.set(shard, chunks.set(name, kept));
    });
  }

  async readChunk(shard: string, name: string): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    return this.#memory.chunks.get(shard)?.get(name)?.slice();
  }

  /** Records in one commit, chunks in the next: a simulation can crash between the two. */
  async trim(shard: string, before: number, keepChunks: ReadonlySet<string>): Promise<Trimmed> {
    this.#assertOpen();
    assertTrim(shard, before, this.#memory.snapshots.get(shard) ?? 0);
    const doomed = [...(this.#memory.chunks.get(shard) ?? [])].filter(([name]) => !keepChunks.has(name));
    let records = 0;
    let chunks = 0;
    await this.#chore(() => {
      const kept = this.#memory.shards.get(shard);
      const count = kept === undefined ? 0 : Math.max(before - (kept[0]?.seq ?? before), 0);
      if (kept !== undefined && count > 0) this.#memory.drop(shard, count);
      records = count;
    });
    if (doomed.length === 0) return { records, chunks };
    await this.#chore(() => {
      const kept = this.#memory.chunks.get(shard);
      // Another array under the same name: it was put again meanwhile.
      for (const [name, bytes] of doomed) if (kept?.get(name) === bytes && kept.delete(name)) chunks++;
    });
    return { records, chunks };
  }

  async sizeBytes(): Promise<number> {
    this.#assertOpen();
    let bytes = 0;
    for (const records of this.#memory.shards.values()) {
      for (const record of records) bytes += record.bytes.length + record.hash.length;
    }
    for (const chunks of this.#memory.chunks.values()) {
      for (const chunk of chunks.values()) bytes += chunk.length;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "crashed") return;
    await this.#committing;
    this.#state = "closed";
    this.#letGo();
  }

  #chore(run: () => void): Promise<void> {
    if (this.#state === "closed") return Promise.reject(ledgerErrors.create("LEDGER_CLOSED", { path: PATH }));
    if (this.#state === "broken") return Promise.reject(this.#ioFailed());
    if (this.#state === "crashed") return new Promise(() => undefined);
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ run, resolve, reject });
      this.#committing ??= this.#commitSoon();
    });
  }

  async #commitSoon(): Promise<void> {
    const { delay, later } = this.#faults;
    const commit = this.#memory.commits + 1;
    if (later !== undefined) await new Promise<void>((resume) => later(commit, resume));
    else {
      const rounds = delay?.(commit) ?? 0;
      for (let round = 0; round <= rounds; round++) await new Promise((resume) => setImmediate(resume));
    }
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
      this.crash();
      return;
    }
    this.#memory.commits = commit;
    const failed = new Map<string, unknown>();
    const answers = group.map((one) => ("run" in one ? this.#carryOut(one) : this.#keep(one, failed)));
    if (crash?.commit === commit) {
      this.crash();
      return;
    }
    for (const answer of answers) answer();
  }

  #carryOut(chore: Chore): () => void {
    if (this.#state === "broken") return () => chore.reject(this.#ioFailed());
    chore.run();
    return () => chore.resolve();
  }

  /** Keeps one append or not; the function returned tells its caller. */
  #keep(one: Append, failed: Map<string, unknown>): () => void {
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
    const { shard, expectedSeq } = one;
    const records = this.#memory.shards.get(shard) ?? [];
    let seq = records.at(-1)?.seq ?? 0;
    if (seq !== expectedSeq) {
      const details = { shard, lastSeq: seq, expectedSeq };
      return refuse(ledgerErrors.create("LEDGER_SEQUENCE_CONFLICT", details));
    }
    for (const { bytes, hash, snapshot } of one.records) {
      records.push({ shard, seq: ++seq, bytes, hash });
      if (snapshot === true) this.#memory.snapshots.set(shard, seq);
    }
    if (records.length > 0) this.#memory.shards.set(shard, records);
    return () => one.resolve(seq);
  }

  /** The process is gone, now: what was not committed is lost, and nobody hears of anything any more. */
  crash(): void {
    if (this.#state === "closed") return;
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
