/**
 * How the write-ahead log reaches the disk. SQLite writes a commit and does not wait (`synchronous = NORMAL`); who has to know that
 * it would survive a power cut asks here, on the thread or beside it. What SQLite syncs by itself all the same is what keeps the
 * file whole: the log's header before its first frame, and the log and the file at a checkpoint.
 *
 * `fdatasync`: a log that is written over again has nothing else to bring to the disk, and its times do not matter.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";

export interface LogSync {
  /** Returns once everything written before is on the disk; throws when that is not known. */
  wait(): void;
  /** The same, beside the thread: calls back with what went wrong, null for nothing. One at a time. */
  begin(ended: (problem: unknown) => void): void;
  close(): void;
}

/** Of a database that is only read, or that is in memory. */
export const NO_LOG: LogSync = { wait: () => {}, begin: (ended) => ended(null), close: () => {} };

/** `file`: of the database, which is open: its log is there then, and stays the same file until it is closed. */
export function openLogSync(file: string): LogSync {
  const fd = openSync(`${file}-wal`, "r+");
  let isSyncing = false;
  let isClosed = false;
  return {
    wait: () => fdatasyncSync(fd),
    begin(ended) {
      isSyncing = true;
      fdatasync(fd, (problem) => {
        isSyncing = false;
        if (isClosed) closeSync(fd);
        ended(problem);
      });
    },
    close() {
      // Not under the feet of who still syncs it.
      if (!isClosed && !isSyncing) closeSync(fd);
      isClosed = true;
    },
  };
}
