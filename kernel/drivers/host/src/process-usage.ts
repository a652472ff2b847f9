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
  const status = readOr(`/proc/${pid}/status`, "");
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  // Behind the name, which may hold anything: state is the first field, the times of user and system, its own and its children's, the 12th to 15th.
  const stat = readOr(`/proc/${pid}/stat`, "").split(") ").at(-1)?.split(" ") ?? [];
  const ticks = stat.slice(11, 15).reduce((all, one) => all + Number(one), 0);
  return {
    // Page tables: a map of nothing but zeros takes nothing else.
    memoryKb: number("VmRSS") + number("VmSwap") + number("VmPTE"),
    threads: number("Threads"),
    cpuMs: ticks * TICK_MS,
  };
}
