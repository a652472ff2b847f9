/**
 * What is known of each shard without asking the file. Changed only inside a commit: who asks from outside is told what was before,
 * until `keep` says that it is durable; `undo` puts back what a failed one changed.
 */
import { ledgerErrors } from "@vnes/kernel";
import type { Statements } from "./statements.ts";

export interface Head {
  readonly no: number;
  /** Last record. */
  readonly seq: number;
  /** Oldest record that was not trimmed. */
  readonly first: number;
  /** Newest snapshot record, 0 for none. */
  readonly snapshot: number;
}

export class Heads {
  readonly #statements: Statements;
  readonly #heads = new Map<string, Head>();
  // Made anew with each commit, as in `open-runs.ts`.
  #before = new Map<string, Head | undefined>();

  /** Throws `LEDGER_FILE_CORRUPT` when records or the snapshot a shard must have are not there, or some it must not have are. */
  constructor(statements: Statements, path: string) {
    this.#statements = statements;
    const rows = statements.heads.all() as unknown as [
      string,
      number,
      number,
      number,
      number,
      number | null,
    ][];
    for (const [name, no, first, snapshot, seq, oldest] of rows) {
      if (seq < Math.max(first - 1, snapshot)) {
        const where = ` at record ${Math.max(first, snapshot)} of shard ${name}`;
        throw ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where, problem: "the record is missing" });
      }
      // A trim goes no further than to the newest snapshot: nothing else may stand for records that are gone.
      if (first > 1 && snapshot < first) {
        const where = ` at record ${first} of shard ${name}`;
        const problem = "the records before it are said to be trimmed, and no snapshot holds what they said";
        throw ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where, problem });
      }
      // A trim takes the rows along: else what is kept would be said to be gone.
      if (first < 1 || (oldest !== null && oldest < first)) {
        const where = ` at record ${oldest ?? first} of shard ${name}`;
        const problem = `the records are said to begin at ${first}`;
        throw ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where, problem });
      }
      this.#heads.set(name, { no, seq, first, snapshot });
    }
    this.#assertIndex(path);
  }

  /**
   * The last record of each shard is looked up in the index of records, which no checksum covers: one changed bit there
   * can hide a record, or a whole shard, which would then begin anew. Counting tells, and then every row is looked at.
   * A record that is missing before the last is found when it is read.
   */
  #assertIndex(path: string): void {
    let expected = 0;
    for (const { seq, first } of this.#heads.values()) expected += Math.max(0, seq - first + 1);
    const [count] = this.#statements.recordCount.get() as unknown as [number];
    if (count === expected) return;
    const last = new Map(this.#statements.lastRows.all() as unknown as [number, number][]);
    for (const [name, { no, seq }] of this.#heads) {
      const is = last.get(no) ?? 0;
      if (is === seq) continue;
      const where = ` at record ${Math.min(is, seq) + 1} of shard ${name}`;
      const problem = "the index of records and the records differ";
      throw ledgerErrors.create("LEDGER_FILE_CORRUPT", { path, where, problem });
    }
  }

  /** As far as it is durable. */
  get(shard: string): Head | undefined {
    return this.#before.has(shard) ? this.#before.get(shard) : this.#heads.get(shard);
  }

  /** Within a commit. */
  latest(shard: string): Head | undefined {
    return this.#heads.get(shard);
  }

  /** The head of a shard that is about to get records. */
  grown(shard: string): Head {
    const head = this.#heads.get(shard);
    if (head !== undefined) return head;
    const no = Number(this.#statements.addShard.run(shard).lastInsertRowid);
    return { no, seq: 0, first: 1, snapshot: 0 };
  }

  set(shard: string, head: Head): void {
    if (!this.#before.has(shard)) this.#before.set(shard, this.#heads.get(shard));
    this.#heads.set(shard, head);
  }

  /** Names of all shards with records, sorted. */
  names(): readonly string[] {
    return [...this.#heads.keys()].filter((name) => (this.get(name)?.seq ?? 0) > 0).sort();
  }

  keep(): void {
    this.#before = new Map();
  }

  undo(): void {
    for (const [shard, head] of this.#before) {
      if (head === undefined) this.#heads.delete(shard);
      else this.#heads.set(shard, head);
    }
    this.#before = new Map();
  }
}
