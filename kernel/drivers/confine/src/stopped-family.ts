/**
 * A host that stands still for as long as somebody has a reason for it. The process the kernel started stays awake: it hears that the kernel
 * is gone, and everything else ends with it.
 */
import { familyOf } from "@vnes/driver-host";
import { signal } from "./family.ts";

/** It used more than its share of the processor; its capsule is over its budget. */
export type StopReason = "share" | "budget";

export class StoppedFamily {
  readonly #pid: number;
  readonly #reasons = new Set<StopReason>();

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Again and again: what it started meanwhile is stopped too. */
  stop(reason: StopReason): void {
    this.#reasons.add(reason);
    for (const pid of familyOf(this.#pid).slice(1)) signal(pid, "SIGSTOP");
  }

  goOn(reason: StopReason): void {
    if (!this.#reasons.delete(reason) || this.#reasons.size > 0) return;
    for (const pid of familyOf(this.#pid).slice(1)) signal(pid, "SIGCONT");
  }
}
