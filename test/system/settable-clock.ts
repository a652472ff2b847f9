/** A wall clock that can be set while a process runs, as after `date -s`: what a process loads first makes its `Date` read a file. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Looked at ten times a second. */
const SETTABLE = (file: string): string => `
  import { readFileSync } from "node:fs";
  const machine = Date.now.bind(Date);
  let ahead = 0, looked = -Infinity;
  Date.now = () => {
    const now = machine();
    if (now - looked >= 100) { looked = now; ahead = Number(readFileSync(${JSON.stringify(file)}, "utf8")); }
    return now + ahead;
  };`;

export interface SettableClock {
  /** For `NODE_OPTIONS` of who is to have it. */
  readonly option: string;
  /** Milliseconds ahead of the machine's own; less than 0: behind it. */
  set(aheadMs: number): void;
}

/** The files are made in `directory`, which the caller removes. */
export function settableClock(directory: string): SettableClock {
  const [file, hook] = [join(directory, "ahead"), join(directory, "settable.mjs")];
  const set = (aheadMs: number): void => writeFileSync(file, String(aheadMs));
  set(0);
  writeFileSync(hook, SETTABLE(file));
  return { option: `--import=${hook}`, set };
}
