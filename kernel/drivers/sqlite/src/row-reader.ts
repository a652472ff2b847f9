/** Records as they come out of the file: every row checked, none missing, those that were not asked for left out. */
import { ledgerErrors, type NewRecord, type RecordMemory, type StoredRecord } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { storeFailure } from "./failure.ts";
import type { Head } from "./heads.ts";
import { MAX_RUN_RECORDS, recordsIn, unpackRow } from "./record-row.ts";
import type { Statements } from "./statements.ts";

type Row = readonly [last: number, hash: Uint8Array, crc: number, bytes: Uint8Array];

/** A row of which the last records were not asked for yet. */
interface OpenRow {
  /** The shard's number in the file. */
  readonly no: number;
  /** Seq of its first record. */
  readonly begin: number;
  readonly records: readonly NewRecord[];
}

export class RowReader {
  readonly #path: string;
  readonly #statements: Statements;
  /** Whoever reads on from there need not have it read, checked and unpacked again. */
  #open: OpenRow | undefined;

  constructor(path: string, statements: Statements) {
    this.#path = path;
    this.#statements = statements;
  }

  /**
   * Records of the shard with seq >= `from` that are kept, at most `limit`. Throws `LEDGER_FILE_CORRUPT`, naming shard and record.
   * With `memory` it ends with a row where it can: what lies in there cannot be kept for whoever reads on.
   */
  read(
    shard: string,
    head: Head,
    from: number,
    limit: number,
    memory?: RecordMemory,
  ): readonly StoredRecord[] {
    const first = Math.max(from, head.first);
    const end = Math.min(first + limit, head.seq + 1);
    const records: StoredRecord[] = [];
    const take = (row: OpenRow): void => {
      const stop = Math.min(end - row.begin, row.records.length);
      for (let index = first + records.length - row.begin; index < stop; index++) {
        const { bytes, hash } = row.records[index] as NewRecord;
        records.push({ shard, seq: row.begin + index, bytes, hash });
      }
      this.#open = stop < row.records.length ? row : undefined;
    };
    if (this.#open !== undefined && holds(this.#open, head.no, first)) take(this.#open);
    for (const [last, hash, crc, bytes] of this.#rows(shard, head.no, first + records.length, end)) {
      const wanted = first + records.length;
      const begin = last - recordsIn(hash) + 1;
      const isWhole = last < end;
      if (!isWhole && memory !== undefined && records.length > 0) return records;
      const row = unpackRow(shard, last, { hash, crc, bytes }, isWhole ? memory : undefined);
      if (row === undefined) throw this.#corrupt(placeOf(shard, wanted), changed(begin, last));
      // Only the first of them may hold records that come before what was asked for.
      if (begin > wanted || (begin < wanted && wanted > first)) throw this.#missing(shard, wanted);
      take({ no: head.no, begin, records: row });
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

function holds({ no, begin, records }: OpenRow, shardNo: number, seq: number): boolean {
  return no === shardNo && seq >= begin && seq < begin + records.length;
}

function placeOf(shard: string, seq: number): string {
  return ` at record ${seq} of shard ${shard}`;
}

/** How many records it holds may be what changed. */
function changed(begin: number, last: number): string {
  if (!Number.isInteger(begin) || begin >= last) return "the record's bytes changed";
  return `the bytes of records ${begin} to ${last}, which are kept as one, changed`;
}
