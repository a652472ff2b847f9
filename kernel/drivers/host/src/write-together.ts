/** Frames sent within one tick leave in one write: a system call costs more than a small frame does. */
import type { Duplex } from "node:stream";

export function writeTogether(pipe: Duplex, frame: readonly Uint8Array[], onLeft?: () => void): void {
  if (pipe.writableCorked === 0) {
    pipe.cork();
    process.nextTick(() => {
      pipe.uncork();
      onLeft?.();
    });
  }
  for (const part of frame) pipe.write(part);
}
