/**
 * Finds damage in a write-ahead log before SQLite opens it. SQLite takes the first frame whose checksum is wrong for
 * the end of the log: right for a tail torn by a power cut, but a flipped bit in the middle would silently take
 * every later commit with it.
 *
 * A commit is on the disk before the next transaction writes a frame (G3 in `group-commit.ts`). So a frame of this log's own
 * generation behind a later commit frame proves that everything up to that commit was whole once: a bad frame
 * before it is damage, not a torn tail. Format: sqlite.org/fileformat2.html#walformat
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MIN_PAGE_BYTES = 512;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;

export interface WalDamage {
  /** From 1; 0 is the log's own header. */
  readonly frame: number;
  /** Commits behind it that would be lost, at least. */
  readonly commits: number;
}

/** Not counted: without its header nothing of the log can be told apart. */
const HEADER_DAMAGED: WalDamage = { frame: 0, commits: 1 };

/** Undefined for a log that is absent, empty, whole, or torn at its end only. */
export function findWalDamage(path: string): WalDamage | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return scan(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

function scan(fd: number, size: number): WalDamage | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  if (readSync(fd, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return undefined;
  // The header is on the disk before the first frame is written: where there are frames, it must be whole.
  const hasFrames = size >= HEADER_BYTES + FRAME_HEADER_BYTES + MIN_PAGE_BYTES;
  const magic = header.readUInt32BE(0);
  const littleEndian = magic === MAGIC_LITTLE_ENDIAN;
  let sum: Checksum = checksum(header.subarray(0, 24), littleEndian, [0, 0]);
  const isWhole = header.readUInt32BE(24) === sum[0] && header.readUInt32BE(28) === sum[1];
  if (!isWhole || (!littleEndian && magic !== MAGIC_BIG_ENDIAN))
    return hasFrames ? HEADER_DAMAGED : undefined;
  const pageBytes = header.readUInt32BE(8);
  const salts = header.subarray(16, 24);

  const frame = Buffer.alloc(FRAME_HEADER_BYTES + pageBytes);
  let damaged = 0;
  let commits = 0;
  let provenCommits = 0;
  for (let index = 1, at = HEADER_BYTES; at + frame.length <= size; index++, at += frame.length) {
    readSync(fd, frame, 0, frame.length, at);
    if (!frame.subarray(8, 16).equals(salts)) {
      // Left over from the generation before. Its salts may also be what was damaged: go on and see.
      damaged ||= index;
      continue;
    }
    // Another frame of this generation: the commits seen before it had reached the disk.
    provenCommits = commits;
    const isCommit = frame.readUInt32BE(4) !== 0;
    if (damaged === 0) {
      sum = checksum(frame.subarray(0, 8), littleEndian, sum);
      sum = checksum(frame.subarray(FRAME_HEADER_BYTES), littleEndian, sum);
      if (frame.readUInt32BE(16) !== sum[0] || frame.readUInt32BE(20) !== sum[1]) damaged = index;
    }
    if (damaged !== 0 && isCommit) commits++;
  }
  return provenCommits === 0 ? undefined : { frame: damaged, commits: provenCommits };
}

type Checksum = readonly [number, number];

function checksum(bytes: Buffer, littleEndian: boolean, before: Checksum): Checksum {
  let [a, b] = before;
  for (let at = 0; at < bytes.length; at += 8) {
    const first = littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    const second = littleEndian ? bytes.readUInt32LE(at + 4) : bytes.readUInt32BE(at + 4);
    a = (a + first + b) >>> 0;
    b = (b + second + a) >>> 0;
  }
  return [a, b];
}
