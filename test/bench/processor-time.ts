/** Processor time of another process. */
import { readFileSync } from "node:fs";

/** User and system time, fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms. */
export function processorUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}
