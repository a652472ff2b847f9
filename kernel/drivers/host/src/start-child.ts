/**
 * The process of a host, started with streams that stop reading as soon as they are paused. Node's own go on until 64 KB lie unread, which are
 * many reads where somebody writes byte by byte. `spawn` takes no bound for them, so the default is another one while it makes them.
 */
import { type ChildProcess, spawn, type StdioPipe } from "node:child_process";
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from "node:stream";

/** One read that nobody has taken is enough to stop. */
const HELD_BYTES = 1;

export interface ChildOptions {
  readonly env: { readonly [name: string]: string };
  /** Pipes from descriptor 1 on: output, errors, the host protocol, and what else its start needs. */
  readonly pipes: number;
}

/** Standard input from nowhere, a session and process group of its own, directory `/`. */
export function startChild(
  file: string,
  args: readonly string[],
  { env, pipes }: ChildOptions,
): ChildProcess {
  const stdio = ["ignore" as const, ...Array.from({ length: pipes }, (): StdioPipe => "pipe")];
  const usual = getDefaultHighWaterMark(false);
  setDefaultHighWaterMark(false, HELD_BYTES);
  try {
    return spawn(file, args, { cwd: "/", env: { ...env }, stdio, detached: true });
  } finally {
    setDefaultHighWaterMark(false, usual);
  }
}
