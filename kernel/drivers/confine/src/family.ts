/** Processes that came from one, as `/proc` tells it. */
import { readOr } from "./read-or.ts";

/** The process and what came from it, parents first. */
export function familyOf(pid: number): readonly number[] {
  const family = [pid];
  for (const parent of family) {
    const children = readOr(`/proc/${parent}/task/${parent}/children`, "");
    for (const child of children.split(" ").filter(Boolean)) family.push(Number(child));
  }
  return family;
}

/** Ends a process that starts others no faster than it can be stopped, and what it started. */
export function endFamily(pid: number): void {
  signal(pid, "SIGSTOP");
  for (const member of familyOf(pid).toReversed()) signal(member, "SIGKILL");
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}
