/**
 * The runs of records that the open transaction has not written yet, one for each shard it appends to: the appends of one
 * round share rows as they share a commit.
 */
import type { NewRecord } from "@vnes/kernel";
import { MAX_RUN_BYTES, MAX_RUN_RECORDS, packRow } from "./record-row.ts";
import type { Statements } from "./statements.ts";

interface Run {
  /** The shard's number in the file. */
  readonly no: number;
  records: NewRecord[];
  bytes: number;
  /** Of the last of its records. */
  seq: number;
}

export class OpenRuns {
  readonly #statements: Statements;
  // Made anew, not cleared: the table that `clear` leaves behind keeps what it held, and points to the next one, so that all of them live
  // until the whole heap is collected.
  #runs = new Map<string, Run>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** `seq` follows on that of the shard's record before. */
  add(shard: string, no: number, seq: number, record: NewRecord): void {
    let run = this.#runs.get(shard);
    if (run === undefined) {
      run = { no, records: [], bytes: 0, seq: 0 };
      this.#runs.set(shard, run);
    } else if (run.records.length >= MAX_RUN_RECORDS || run.bytes + record.bytes.length > MAX_RUN_BYTES) {
      this.#write(shard, run);
      run.records = [];
      run.bytes = 0;
    }
    run.records.push(record);
    run.bytes += record.bytes.length;
    run.seq = seq;
  }

  /** Comes before the commit. */
  write(): void {
    for (const [shard, run] of this.#runs) this.#write(shard, run);
    this.#runs = new Map();
  }

  /** The transaction was given up. */
  forget(): void {
    this.#runs = new Map();
  }

  #write(shard: string, { no, records, seq }: Run): void {
    const { hash, crc, bytes } = packRow(shard, seq, records);
    this.#statements.insert.run(no, seq, hash, crc, bytes);
  }
}
