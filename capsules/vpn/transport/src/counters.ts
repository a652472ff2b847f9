/** Everything that was dropped, refused or noticed, by name. Names are written in the code, so there are few. */

export interface Counters {
  count(name: string, by?: number): void;
  all(): { readonly [name: string]: number };
}

export function createCounters(): Counters {
  const counts = new Map<string, number>();
  return {
    count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    all: () => Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
