/** Records as they come out of the file: every row checked, none missing, those that were not asked for left out. */
import { ledgerErrors, type StoredRecord } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { storeFailure } from "./failure.ts";
import type { Head } from "./heads.ts";
import { MAX_RUN_RECORDS, recordsIn, unpackRow } from "./record-row.ts";
import type { Statements } from "./statements.ts";

type Row = readonly [last: number, hash: Uint8Array, crc: number, bytes: Uint8Array];

export class RowReader {
  readonly #path: string;
  readonly #statements: Statements;

  constructor(path: string, statements: Statements) {
    this.#path = path;
    this.#statements = statements;
  }

  /** Records of the shard with seq >= `from` that are kept, at most `limit`. Throws `LEDGER_FILE_CORRUPT`, naming shard and record. */
  read(shard: string, head: Head, from: number, limit: number): readonly StoredRecord[] {
    const first = Math.max(from, head.first);
    const end = Math.min(first + limit, head.seq + 1);
    const records: StoredRecord[] = [];
    for (const [last, hash, crc, bytes] of this.#rows(shard, head.no, first, end)) {
      const wanted = first + records.length;
      const begin = last - recordsIn(hash) + 1;
      const row = unpackRow(shard, last, { hash, crc, bytes });
      if (row === undefined) throw this.#corrupt(placeOf(shard, wanted), changed(begin, last));
      // Only the first of them may hold records that come before what was asked for.
      if (begin > wanted || (begin < wanted && wanted > first)) throw this.#missing(shard, wanted);
      const stop = Math.min(end - begin, row.length);
      for (let index = wanted - begin; index < stop; index++) {
        const record = row[index] as (typeof row)[number];
        records.push({ shard, seq: begin + index, bytes: record.bytes, hash: record.hash });
      }
    }
    if (first + records.length < end) throw this.#missing(shard, first + records.length);
    return records;
  }

  #rows(shard: string, no: number, first: number, end: number): readonly Row[] {
    if (end <= first) return [];
    const farthest = end + MAX_RUN_RECORDS;
    try {
      return this.#statements.read.all(
        no,
        first,
        farthest,
        end - 1,
        end - first,
      ) as unknown as readonly Row[];
    } catch (error) {
      throw storeFailure(this.#path, error, placeOf(shard, first));
    }
  }

  #missing(shard: string, seq: number): VnesError {
    return this.#corrupt(placeOf(shard, seq), "the record is missing");
  }

  #corrupt(where: string, problem: string): VnesError {
    return ledgerErrors.create("LEDGER_FILE_CORRUPT", { path: this.#path, where, problem });
  }
}

function placeOf(shard: string, seq: number): string {
  return ` at record ${seq} of shard ${shard}`;
}

/** How many records it holds may be what changed. */
function changed(begin: number, last: number): string {
  if (!Number.isInteger(begin) || begin >= last) return "the record's bytes changed";
  return `the bytes of records ${begin} to ${last}, which are kept as one, changed`;
}
