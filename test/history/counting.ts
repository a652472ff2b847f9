/** H11: keys of which a capsule only ever writes the value before and one more. */
import { type LedgerHistory, turnsOf } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";

/** Prefixes of such keys by capsule id. */
export type CountingKeys = ReadonlyMap<string, readonly string[]>;

export function checkCounting(ledger: LedgerHistory, counting: CountingKeys): readonly Problem[] {
  const problems: Problem[] = [];
  const counts = new Map<string, number>();
  for (const { shard, record } of turnsOf(ledger)) {
    const prefixes = counting.get(shard.slice(0, shard.lastIndexOf("/"))) ?? [];
    for (const effect of record.effects) {
      if (effect.do !== "write" || !prefixes.some((prefix) => effect.key.startsWith(prefix))) continue;
      const name = `${shard} ${effect.key}`;
      const before = counts.get(name) ?? 0;
      counts.set(name, Number(effect.value));
      if (effect.value === before + 1) continue;
      const what = `record ${record.seq} wrote ${JSON.stringify(effect.value)} to ${effect.key}, which was ${before}`;
      problems.push({ rule: "H11", where: shard, what });
    }
  }
  return problems;
}
