/** What the same work costs at several sizes: processor time, and whether it grew with the size. */
import { atMost, type BenchResult } from "./result.ts";

/** Anything that is done for each pair of things would be ten times dearer at ten times as many. */
const TARGET_GROWTH = 2;

/** Processor time of this process, all threads. */
export async function measured<T>(
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly cpuUs: number }> {
  const start = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(start);
  return { value, cpuUs: user + system };
}

/** The first has nothing to be compared with; the last must not be dearer than the one before it by more than the target. */
export function growth(
  metricOf: (title: string) => string,
  titles: readonly string[],
  values: readonly number[],
): readonly BenchResult[] {
  return values.map((value, index): BenchResult => {
    const metric = metricOf(titles[index] as string);
    const unit = "µs";
    const before = values[index - 1];
    if (before === undefined || index < values.length - 1) return { metric, value, unit };
    const peer = { name: titles[index - 1] as string, value: before };
    return { metric, value, unit, peer, target: atMost(value, TARGET_GROWTH * before, unit) };
  });
}
