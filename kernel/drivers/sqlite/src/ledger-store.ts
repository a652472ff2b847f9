/**
 * The embedded ledger store: one SQLite file, one process.
 *
 * Owns the file and the queue of appends that wait for the next commit. Every append issued in one round of the event loop
 * shares one transaction and so one fsync; the transaction runs on the calling thread.
 *
 * S1. An append resolves after its transaction's fsync, so it survives `kill -9` and a power cut.
 * S2. Within a commit, appends are taken in the order they were issued; one that is refused refuses every later one of its
 *     shard in the queue, and touches no other shard.
 * S3. A transaction that fails is rolled back whole and refuses all of its appends. After a full disk the store goes on;
 *     after any other failure of the disk what reached it is unknown, so the store refuses everything until it is opened again.
 */
import { crc32 } from "node:zlib";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  appendProblem,
  ledgerErrors,
  type LedgerStore,
  MAX_RECORD_BYTES,
  type NewRecord,
  type StoredRecord,
} from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { openDatabase } from "./database.ts";
import { storeFailure } from "./failure.ts";

/** What may wait for a commit; past it the commit happens at once instead of at the end of the round. */
const MAX_GROUP_BYTES: number = 2 * MAX_RECORD_BYTES;
const MAX_GROUP_APPENDS = 4_096;

export interface SqliteLedgerOptions {
  /** File; its directory must exist. */
  readonly path: string;
}

interface Waiting {
  readonly shard: string;
  readonly expectedSeq: number;
  readonly records: readonly NewRecord[];
  resolve(seq: number): void;
  reject(error: VnesError): void;
}

interface Head {
  readonly no: number;
  seq: number;
}

/** Rejects with `LEDGER_IN_USE`, `LEDGER_FILE_CORRUPT`, `LEDGER_FORMAT_UNKNOWN`, `LEDGER_DISK_FULL` or `LEDGER_IO_FAILED`. */
export async function openSqliteLedgerStore(options: SqliteLedgerOptions): Promise<SqliteLedgerStore> {
  try {
    return new SqliteLedgerStore(options.path, openDatabase(options.path));
  } catch (error) {
    throw storeFailure(options.path, error);
  }
}

export class SqliteLedgerStore implements LedgerStore {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #heads = new Map<string, Head>();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #refusing: VnesError | undefined;

  /** Use `openSqliteLedgerStore`. */
  constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
    this.#statements = prepareStatements(db);
    for (const [no, name, seq] of this.#statements.heads.all() as unknown as [number, string, number][]) {
      this.#heads.set(name, { no, seq });
    }
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    if (this.#refusing !== undefined) return Promise.reject(this.#refusing);
    const problem = appendProblem(shard, records);
    if (problem !== undefined) return Promise.reject(problem);
    return new Promise<number>((resolve, reject) => {
      this.#waiting.push({ shard, expectedSeq, records, resolve, reject });
      for (const { bytes } of records) this.#waitingBytes += bytes.length;
      if (this.#waitingBytes > MAX_GROUP_BYTES || this.#waiting.length >= MAX_GROUP_APPENDS) this.#commit();
      else this.#scheduled ??= setImmediate(() => this.#commit());
    });
  }

  async read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]> {
    const head = this.#head(shard);
    if (head === undefined || limit <= 0) return [];
    const first = Math.max(from, 1);
    let rows: readonly (readonly [number, Uint8Array, number, Uint8Array])[];
    try {
      rows = this.#statements.read.all(head.no, first, limit) as unknown as typeof rows;
    } catch (error) {
      throw storeFailure(this.#path, error, placeOf(shard, first));
    }
    const expected = Math.min(limit, Math.max(head.seq - first + 1, 0));
    const records = rows.map(([seq, hash, crc, bytes], index): StoredRecord => {
      if (seq !== first + index) throw this.#corrupt(shard, first + index, "the record is missing");
      if (crc !== checksum(shard, seq, hash, bytes))
        throw this.#corrupt(shard, seq, "the record's bytes changed");
      return { shard, seq, bytes, hash };
    });
    if (records.length < expected)
      throw this.#corrupt(shard, first + records.length, "the record is missing");
    return records;
  }

  async lastSeq(shard: string): Promise<number> {
    return this.#head(shard)?.seq ?? 0;
  }

  async shards(): Promise<readonly string[]> {
    if (!this.#db.isOpen) throw this.#closed();
    return [...this.#heads].flatMap(([name, { seq }]) => (seq > 0 ? [name] : [])).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#db.isOpen) return;
    if (this.#waiting.length > 0) this.#commit();
    this.#refusing = this.#closed();
    this.#db.close();
  }

  #commit(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const group = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const answers: (() => void)[] = [];
    const before = new Map<string, number>();
    try {
      this.#statements.begin.run();
      const refused = new Map<string, VnesError>();
      for (const one of group) answers.push(this.#keep(one, refused, before));
      this.#statements.commit.run();
    } catch (error) {
      this.#undo(before, group, storeFailure(this.#path, error));
      return;
    }
    for (const answer of answers) answer();
  }

  /** Writes one append into the open transaction, or refuses it; the answer is given after the commit. */
  #keep(one: Waiting, refused: Map<string, VnesError>, before: Map<string, number>): () => void {
    const { shard, expectedSeq, records } = one;
    const lastSeq = this.#heads.get(shard)?.seq ?? 0;
    let error = refused.get(shard);
    if (error === undefined && lastSeq !== expectedSeq) {
      error = ledgerErrors.create("LEDGER_SEQUENCE_CONFLICT", { shard, lastSeq, expectedSeq });
    }
    if (error !== undefined) {
      const reason = error;
      refused.set(shard, reason);
      return () => one.reject(reason);
    }
    if (records.length > 0) {
      if (!before.has(shard)) before.set(shard, lastSeq);
      const head = this.#heads.get(shard) ?? this.#addShard(shard);
      for (const { hash, bytes } of records) {
        const seq = head.seq + 1;
        this.#statements.insert.run(head.no, seq, hash, checksum(shard, seq, hash, bytes), bytes);
        head.seq = seq;
      }
    }
    const seq = lastSeq + records.length;
    return () => one.resolve(seq);
  }

  #addShard(name: string): Head {
    const no = Number(this.#statements.addShard.run(name).lastInsertRowid);
    const head: Head = { no, seq: 0 };
    this.#heads.set(name, head);
    return head;
  }

  #undo(before: ReadonlyMap<string, number>, group: readonly Waiting[], error: VnesError): void {
    let failure = error;
    try {
      if (this.#db.isTransaction) this.#statements.rollback.run();
    } catch (second) {
      failure = storeFailure(this.#path, second);
    }
    for (const [shard, seq] of before) {
      const head = this.#heads.get(shard);
      if (seq === 0) this.#heads.delete(shard);
      else if (head !== undefined) head.seq = seq;
    }
    if (failure.code !== "LEDGER_DISK_FULL") this.#refusing = failure;
    for (const one of group) one.reject(failure);
  }

  #head(shard: string): Head | undefined {
    if (!this.#db.isOpen) throw this.#closed();
    return this.#heads.get(shard);
  }

  #closed(): VnesError {
    return ledgerErrors.create("LEDGER_CLOSED", { path: this.#path });
  }

  #corrupt(shard: string, seq: number, problem: string): VnesError {
    return ledgerErrors.create("LEDGER_FILE_CORRUPT", {
      path: this.#path,
      where: placeOf(shard, seq),
      problem,
    });
  }
}

interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly addShard: StatementSync;
  readonly insert: StatementSync;
  readonly read: StatementSync;
  readonly heads: StatementSync;
}

function prepareStatements(db: DatabaseSync): Statements {
  const read = db.prepare(
    "SELECT seq, hash, crc, bytes FROM record WHERE shard = ? AND seq >= ? ORDER BY seq LIMIT ?",
  );
  const heads = db.prepare(
    "SELECT no, name, (SELECT coalesce(max(seq), 0) FROM record WHERE record.shard = shard.no) FROM shard",
  );
  // Rows as arrays spare an object with four names for each row.
  read.setReturnArrays(true);
  heads.setReturnArrays(true);
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    addShard: db.prepare("INSERT INTO shard (name) VALUES (?)"),
    insert: db.prepare("INSERT INTO record (shard, seq, hash, crc, bytes) VALUES (?, ?, ?, ?, ?)"),
    read,
    heads,
  };
}

function checksum(shard: string, seq: number, hash: Uint8Array, bytes: Uint8Array): number {
  return crc32(bytes, crc32(hash, crc32(`${shard}\0${seq}\0`)));
}

function placeOf(shard: string, seq: number): string {
  return ` at record ${seq} of shard ${shard}`;
}
