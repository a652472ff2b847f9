/** What a process and those that came from it use, as `/proc` tells it: the word of the machine and not theirs. */
import { readOr } from "./read-or.ts";

/** Processor time is counted in these (USER_HZ, 100 a second on Linux). */
const TICK_MS = 10;

export interface ProcessUsage {
  readonly memoryKb: number;
  readonly threads: number;
  /** Of those that have ended too, once somebody waited for them. */
  readonly cpuMs: number;
}

/** The process and what came from it, parents first. */
export function familyOf(pid: number): readonly number[] {
  const family = [pid];
  for (const parent of family) {
    const children = readOr(`/proc/${parent}/task/${parent}/children`, "");
    for (const child of children.split(" ").filter(Boolean)) family.push(Number(child));
  }
  return family;
}

/** Zeros for what is gone. */
export function usageOf(family: readonly number[]): ProcessUsage {
  const usages = family.map(usageOfOne);
  const sum = (of: (usage: ProcessUsage) => number): number => usages.reduce((all, one) => all + of(one), 0);
  return {
    memoryKb: sum(({ memoryKb }) => memoryKb),
    threads: sum(({ threads }) => threads),
    cpuMs: sum(({ cpuMs }) => cpuMs),
  };
}

function usageOfOne(pid: number): ProcessUsage {
  return usageFrom(readOr(`/proc/${pid}/status`, ""), readOr(`/proc/${pid}/stat`, ""));
}

/** `status` and `stat` as the kernel writes them; zeros for what is not in them. */
export function usageFrom(status: string, stat: string): ProcessUsage {
  // A name in the first line holds no line feed that is one.
  const number = (name: string): number => {
    const at = status.indexOf(`\n${name}:`);
    return at < 0 ? 0 : Number.parseInt(status.slice(at + name.length + 2, at + name.length + 24), 10);
  };
  // Behind the name, which may hold anything: state is the first field, the times of user and system, its own and its children's, the 12th to 15th.
  const fields = stat.split(") ").at(-1)?.split(" ") ?? [];
  const ticks = fields.slice(11, 15).reduce((all, one) => all + Number(one), 0);
  return {
    // Page tables: a map of nothing but zeros takes nothing else.
    memoryKb: number("VmRSS") + number("VmSwap") + number("VmPTE"),
    threads: number("Threads"),
    cpuMs: ticks * TICK_MS,
  };
}
