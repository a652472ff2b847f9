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

/**
 * The next records to drop below `before`; undefined when there are none. A row goes once all of its records may: those
 * before `before` in the last one stay in the file, and are read no more.
 */
export function nextRun(
  statements: Statements,
  shard: number,
  first: number,
  before: number,
): Run | undefined {
  if (first >= before) return undefined;
  const end = Math.min(first + PIECE_RECORDS, before);
  // A node at work trims as much as it writes: one row for the whole piece, and each row's size only where they are large.
  const [totalBytes] = statements.rowTotal.get(shard, first, end) as unknown as readonly [number];
  if (totalBytes <= PIECE_BYTES) return { before: end, records: end - first };
  const sizes = statements.rowSizes.all(shard, first, end) as unknown as Sizes<number>;
  let piece = first;
  let bytes = 0;
  for (const [last, size] of sizes) {
    if (piece > first && bytes + size > PIECE_BYTES) break;
    piece = last + 1;
    bytes += size;
  }
  return { before: piece, records: piece - first };
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

type Sizes<Key> = readonly (readonly [key: Key, size: number])[];
