/** Signals for a process and what came from it. */
import { familyOf } from "@vnes/driver-host";

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
