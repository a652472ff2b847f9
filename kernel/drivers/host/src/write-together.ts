/** Frames sent within one tick leave in one write: a system call costs more than a small frame does. */
import type { Duplex } from "node:stream";

/** Beyond it what was sent leaves at once: whoever waits for it can begin, and the tick may last as long as that takes. */
const MAX_HELD_BYTES = 16 * 1024;

export function writeTogether(pipe: Duplex, frame: readonly Uint8Array[], onLeft?: () => void): void {
  if (pipe.writableCorked === 0) {
    pipe.cork();
    process.nextTick(() => {
      pipe.uncork();
      onLeft?.();
    });
  }
  for (const part of frame) pipe.write(part);
  if (pipe.writableLength > MAX_HELD_BYTES) writeNow(pipe);
}

/** What is held leaves at once; what comes behind it in the same tick is held again. */
export function writeNow(pipe: Duplex): void {
  if (pipe.writableCorked === 0) return;
  pipe.uncork();
  pipe.cork();
}
