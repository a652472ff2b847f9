/** What a benchmark module (`test/bench/*.bench.ts`) exports, each by its name, and what one figure says. */

export interface BenchResult {
  /** What was measured: `durable appends, 64 in flight`. */
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  /** The same work without us, or the limit of the machine, from the same run and in the same unit. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** Absent: there is no target for it. */
  readonly target?: { readonly text: string; readonly pass: boolean };
}

export interface Bench {
  /** What `npm run bench -- NAME` selects. */
  readonly name: string;
  /** One sentence each: what a reader might think was measured, and was not. */
  readonly notMeasured?: readonly string[];
  /** It takes minutes, so it runs only when it is named. */
  readonly isLong?: boolean;
  run(): Promise<readonly BenchResult[]>;
}

/** A figure is a target's business only through this, so that value and verdict cannot differ. */
export function atLeast(
  value: number,
  limit: number,
  unit: string,
): { readonly text: string; readonly pass: boolean } {
  return { text: `at least ${show(limit)} ${unit}`, pass: value >= limit };
}

export function atMost(
  value: number,
  limit: number,
  unit: string,
): { readonly text: string; readonly pass: boolean } {
  return { text: `at most ${show(limit)} ${unit}`, pass: value <= limit };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("no value to take the median of");
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

/** Three significant digits are more than a shared machine can promise. */
export function show(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(3)).toString();
}
