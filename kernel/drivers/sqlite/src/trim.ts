/**
 * How a trim is cut into pieces, so that no commit takes long: each piece is one transaction that moves the shard's
 * `first` and drops what lies below it, or drops a few chunks. Records go before chunks, the oldest first, so that what
 * an interrupted trim leaves is still a run of records with every chunk they name.
 */
import type { Statements } from "./statements.ts";

/** A few milliseconds of work for the calling thread; many turns find room between two pieces. */
const PIECE_RECORDS = 512;
const PIECE_BYTES = 1024 * 1024;

export interface Run {
  /** Seq after the last one of the piece. */
  readonly before: number;
  readonly records: number;
}

/** The next records to drop below `before`; undefined when there are none. */
export function nextRun(
  statements: Statements,
  shard: number,
  first: number,
  before: number,
): Run | undefined {
  if (first >= before) return undefined;
  const end = Math.min(first + PIECE_RECORDS, before);
  // A node at work trims as much as it writes: one row for the whole piece, and each record's size only where they are large.
  const [count, totalBytes] = statements.recordTotal.get(shard, first, end) as unknown as Total;
  if (count === 0) return undefined;
  if (totalBytes <= PIECE_BYTES) return { before: end, records: count };
  const sizes = statements.recordSizes.all(shard, first, before, PIECE_RECORDS) as unknown as Sizes<number>;
  let records = 0;
  let bytes = 0;
  for (const [, size] of sizes) {
    if (records > 0 && bytes + size > PIECE_BYTES) break;
    records++;
    bytes += size;
  }
  const last = sizes[records - 1]?.[0];
  return last === undefined ? undefined : { before: last + 1, records };
}

/** Names to drop, in groups each small enough for one commit. */
export function chunkGroups(
  statements: Statements,
  shard: string,
  keep: ReadonlySet<string>,
): readonly (readonly string[])[] {
  const groups: string[][] = [];
  let room = 0;
  for (const [name, size] of statements.chunkNames.all(shard) as unknown as Sizes<string>) {
    if (keep.has(name)) continue;
    if (groups.length === 0 || room < size) {
      groups.push([]);
      room = PIECE_BYTES;
    }
    groups.at(-1)?.push(name);
    room -= size;
  }
  return groups;
}

type Total = readonly [records: number, bytes: number];
type Sizes<Key> = readonly (readonly [key: Key, size: number])[];
