/**
 * The embedded ledger store: one SQLite file, one process.
 *
 * S1. An append resolves after its transaction's sync, so it survives `kill -9` and a power cut.
 * S2. Within a commit, appends are taken in the order they were issued; one that is refused refuses every later one of its
 *     shard in the queue, and touches no other shard.
 * S3. Chunks and the pieces of a trim stand in the same queue and share the same commits; what a failed commit means for
 *     them is said in `group-commit.ts`.
 */
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import {
  appendProblem,
  assertTrim,
  chunkProblem,
  ledgerErrors,
  type LedgerStore,
  type NewRecord,
  type RecordMemory,
  type StoredRecord,
  type Trimmed,
} from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { packChunk, unpackChunk } from "./chunk-row.ts";
import { openDatabase } from "./database.ts";
import { storeFailure } from "./failure.ts";
import { GroupCommit } from "./group-commit.ts";
import { type Head, Heads } from "./heads.ts";
import { type LogSync, openLogSync } from "./log-sync.ts";
import { OpenRuns } from "./open-runs.ts";
import { RowReader } from "./row-reader.ts";
import { prepareStatements, type Statements } from "./statements.ts";
import { chunkGroups, nextRun } from "./trim.ts";

export interface SqliteLedgerOptions {
  /** File; its directory must exist. */
  readonly path: string;
}

/** Rejects with `LEDGER_IN_USE`, `LEDGER_FILE_CORRUPT`, `LEDGER_FORMAT_UNKNOWN`, `LEDGER_DISK_FULL` or `LEDGER_IO_FAILED`. */
export async function openSqliteLedgerStore(options: SqliteLedgerOptions): Promise<SqliteLedgerStore> {
  let db: DatabaseSync | undefined;
  try {
    db = openDatabase(options.path);
    return new SqliteLedgerStore(options.path, db, openLogSync(options.path));
  } catch (error) {
    db?.close();
    throw storeFailure(options.path, error);
  }
}

export class SqliteLedgerStore implements LedgerStore {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #heads: Heads;
  readonly #runs: OpenRuns;
  readonly #rows: RowReader;
  readonly #group: GroupCommit;
  /** By shard: chunks a trim under way will drop. */
  readonly #doomed = new Map<string, Set<string>>();
  /** Chunks that whoever puts them does not know to be durable yet: in the file perhaps, and not a trim's to drop. */
  readonly #putting = new Map<string, object>();

  /** Use `openSqliteLedgerStore`. */
  constructor(path: string, db: DatabaseSync, log: LogSync) {
    this.#path = path;
    this.#db = db;
    const statements = prepareStatements(db);
    const heads = new Heads(statements, path);
    const runs = new OpenRuns(statements);
    this.#statements = statements;
    this.#heads = heads;
    this.#runs = runs;
    this.#rows = new RowReader(path, statements);
    this.#group = new GroupCommit({ path, db, statements, heads, runs, log });
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    if (this.#group.refusing !== undefined) return Promise.reject(this.#group.refusing);
    const problem = appendProblem(shard, records);
    if (problem !== undefined) return Promise.reject(problem);
    let size = 0;
    for (const { bytes } of records) size += bytes.length;
    return new Promise<number>((resolve, reject) => {
      const run = (refused: Map<string, VnesError>): (() => void) => {
        const outcome = this.#keep(shard, expectedSeq, records, refused);
        return typeof outcome === "number" ? () => resolve(outcome) : () => reject(outcome);
      };
      this.#group.add({ run, reject }, size);
    });
  }

  async read(
    shard: string,
    from: number,
    limit: number,
    memory?: RecordMemory,
  ): Promise<readonly StoredRecord[]> {
    const head = this.#head(shard);
    if (head === undefined || limit <= 0) return [];
    return this.#rows.read(shard, head, from, limit, memory);
  }

  async lastSeq(shard: string): Promise<number> {
    return this.#head(shard)?.seq ?? 0;
  }

  async firstSeq(shard: string): Promise<number> {
    return this.#head(shard)?.first ?? 0;
  }

  async lastSnapshot(shard: string): Promise<number> {
    return this.#head(shard)?.snapshot ?? 0;
  }

  async shards(): Promise<readonly string[]> {
    if (!this.#db.isOpen) throw this.#closed();
    return this.#heads.names();
  }

  async putChunk(shard: string, name: string, bytes: Uint8Array): Promise<void> {
    const problem = chunkProblem(shard, bytes);
    if (problem !== undefined) throw problem;
    const row = packChunk(shard, name, bytes);
    const key = chunkKey(shard, name);
    this.#putting.set(key, row);
    try {
      await this.#chore(row.bytes.length, () => {
        this.#statements.putChunk.run(shard, name, row.plain, row.crc, row.bytes);
        // Put again while a trim runs: it is no longer the trim's to drop.
        this.#doomed.get(shard)?.delete(name);
      });
    } finally {
      // Unless it is being put once more.
      if (this.#putting.get(key) === row) this.#putting.delete(key);
    }
  }

  async readChunk(shard: string, name: string): Promise<Uint8Array | undefined> {
    if (!this.#db.isOpen) throw this.#closed();
    const where = ` at chunk ${name} of shard ${shard}`;
    let row: readonly [plain: unknown, crc: unknown, bytes: unknown] | undefined;
    try {
      row = this.#statements.readChunk.get(shard, name) as unknown as typeof row;
    } catch (error) {
      throw storeFailure(this.#path, error, where);
    }
    if (row === undefined) return undefined;
    const [plain, crc, bytes] = row;
    const chunk = unpackChunk(shard, name, { plain, crc, bytes });
    if (chunk === undefined) throw this.#corrupt(where, "the chunk's bytes changed");
    return chunk;
  }

  async trim(shard: string, before: number, keepChunks: ReadonlySet<string>): Promise<Trimmed> {
    const head = this.#head(shard);
    assertTrim(shard, before, head?.snapshot ?? 0);
    const groups = chunkGroups(this.#statements, shard, keepChunks);
    const doomed = new Set(groups.flat().filter((name) => !this.#putting.has(chunkKey(shard, name))));
    this.#doomed.set(shard, doomed);
    try {
      const records = head === undefined ? 0 : await this.#trimRecords(shard, before);
      let chunks = 0;
      for (const group of groups) {
        await this.#chore(0, () => {
          for (const name of group) {
            if (doomed.has(name)) chunks += Number(this.#statements.dropChunk.run(shard, name).changes);
          }
        });
      }
      return { records, chunks };
    } finally {
      this.#doomed.delete(shard);
    }
  }

  async sizeBytes(): Promise<number> {
    if (!this.#db.isOpen) throw this.#closed();
    const [bytes] = this.#statements.fileBytes.get() as unknown as [number];
    return bytes + (statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#db.isOpen) return;
    this.#group.close();
    this.#db.close();
  }

  /** Writes one append into the open transaction: the seq it ends at, or why not. */
  #keep(
    shard: string,
    expectedSeq: number,
    records: readonly NewRecord[],
    refused: Map<string, VnesError>,
  ): number | VnesError {
    const lastSeq = this.#heads.latest(shard)?.seq ?? 0;
    let error = refused.get(shard);
    if (error === undefined && lastSeq !== expectedSeq) {
      error = ledgerErrors.create("LEDGER_SEQUENCE_CONFLICT", { shard, lastSeq, expectedSeq });
    }
    if (error !== undefined) {
      refused.set(shard, error);
      return error;
    }
    if (records.length === 0) return lastSeq;
    const head = this.#heads.grown(shard);
    let { seq, snapshot } = head;
    for (const record of records) {
      seq++;
      this.#runs.add(shard, head.no, seq, record);
      if (record.snapshot === true) snapshot = seq;
    }
    if (snapshot !== head.snapshot) this.#statements.markSnapshot.run(snapshot, head.no);
    this.#heads.set(shard, { ...head, seq, snapshot });
    return seq;
  }

  async #trimRecords(shard: string, before: number): Promise<number> {
    let records = 0;
    for (;;) {
      const { no, first } = this.#head(shard) as Head;
      const run = nextRun(this.#statements, no, first, before);
      if (run === undefined) return records;
      await this.#chore(0, () => {
        this.#statements.dropRecords.run(no, run.before);
        this.#statements.setFirst.run(run.before, no);
        this.#heads.set(shard, { ...(this.#heads.latest(shard) as Head), first: run.before });
      });
      records += run.records;
    }
  }

  #chore(bytes: number, run: () => void): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const job = (): (() => void) => {
        run();
        return resolve;
      };
      this.#group.add({ run: job, reject }, bytes);
    });
  }

  #head(shard: string): Head | undefined {
    if (!this.#db.isOpen) throw this.#closed();
    return this.#heads.get(shard);
  }

  #closed(): VnesError {
    return ledgerErrors.create("LEDGER_CLOSED", { path: this.#path });
  }

  #corrupt(where: string, problem: string): VnesError {
    return ledgerErrors.create("LEDGER_FILE_CORRUPT", { path: this.#path, where, problem });
  }
}

function chunkKey(shard: string, name: string): string {
  return `${shard}\0${name}`;
}
