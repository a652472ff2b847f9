/**
 * What a host behind its wall uses, cheap enough to be asked twenty times a second. The filter of system calls lets no process be started in
 * it, so once it has begun only the last of its family changes, and of that one two files of `/proc` are kept open.
 *
 * F1. Whatever is taken or used shows: a look is spared only when the kernel's line on the process, with its faults, memory, threads and
 *     times, is what it was.
 * F2. Once in a while, and whenever something is odd, everything is looked for anew.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { familyOf, type ProcessUsage, usageFrom, usageOf } from "@vnes/driver-host";

/** Looks at the beginning at which the family is looked for: the wall is still being put up. */
const STARTING_LOOKS = 40;
/** One look of so many after that. */
const ANEW_EVERY = 20;
/** Of all that is known of `status`, and far more than `stat` has. */
const MAX_FILE_BYTES = 8 * 1024;

const NOTHING: ProcessUsage = { memoryKb: 0, threads: 0, cpuMs: 0 };
const room = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);

export class FamilyMeter {
  readonly #pid: number;
  #looks = 0;
  /** Of the last of the family: open files. */
  #stat: number | undefined;
  #status: number | undefined;
  /** The line that `#last` was made of. */
  #line = "";
  #last = NOTHING;
  /** Of those before it, when the family was looked for. */
  #others = NOTHING;

  /** `pid`: the process the kernel started; what it started is found from it. */
  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Zeros once they are gone. */
  usage(): ProcessUsage {
    const isDue = this.#looks < STARTING_LOOKS || this.#looks % ANEW_EVERY === 0;
    this.#looks += 1;
    if (isDue || !this.#lookAgain()) this.#lookAnew();
    return sum(this.#others, this.#last);
  }

  end(): void {
    for (const file of [this.#stat, this.#status]) if (file !== undefined) closeSync(file);
    this.#stat = this.#status = undefined;
  }

  /** False: it is not to be read any more. */
  #lookAgain(): boolean {
    if (this.#stat === undefined || this.#status === undefined) return false;
    try {
      const line = read(this.#stat);
      if (line !== this.#line) this.#last = usageFrom(read(this.#status), line);
      this.#line = line;
      return true;
    } catch {
      return false;
    }
  }

  #lookAnew(): void {
    this.end();
    const family = familyOf(this.#pid);
    const last = family.at(-1) ?? this.#pid;
    this.#others = usageOf(family.slice(0, -1));
    this.#line = "";
    try {
      this.#stat = openSync(`/proc/${last}/stat`, "r");
      this.#status = openSync(`/proc/${last}/status`, "r");
    } catch {
      // It is gone, or this process may open no more files.
    }
    if (!this.#lookAgain()) this.#last = usageOf([last]);
  }
}

function read(file: number): string {
  return room.toString("latin1", 0, readSync(file, room, 0, MAX_FILE_BYTES, 0));
}

function sum(one: ProcessUsage, other: ProcessUsage): ProcessUsage {
  return {
    memoryKb: one.memoryKb + other.memoryKb,
    threads: one.threads + other.threads,
    cpuMs: one.cpuMs + other.cpuMs,
  };
}
