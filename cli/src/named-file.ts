/** Reads a file a person named: a regular one, and no more of it than its kind can have. A device or a pipe may never end. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** What was there instead; callers say it with a code of their own. */
export class FileUnusable extends Error {}

/** Rejects with `FileUnusable`, or what the system says (`ENOENT`, `EACCES`). */
export async function readNamedFile(file: string, limitBytes: number): Promise<Uint8Array> {
  // Without waiting: a pipe that nobody writes to would hold the open itself.
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const stat = await handle.stat();
  if (!stat.isFile()) throw new FileUnusable("it is not a regular file");
  if (stat.size > limitBytes)
    throw new FileUnusable(`it has ${stat.size} bytes, and at most ${limitBytes} are read`);
  // One more than it said: files of the system say 0 and have more, and a file can grow while it is read.
  const bytes = Buffer.alloc(Math.min(limitBytes, Math.max(stat.size, SYSTEM_FILE_BYTES)) + 1);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length);
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
  }
  throw new FileUnusable("it grew while it was read, or has more bytes than are read");
}

/** For files that say they have no size. */
const SYSTEM_FILE_BYTES = 65_536;

/** The reason in few words. */
export function unusableReason(cause: unknown): string {
  if (cause instanceof FileUnusable) return cause.message;
  return (cause as NodeJS.ErrnoException).code ?? "unknown";
}
