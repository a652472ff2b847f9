/** H7: every timer that rang was set and due, and every timer that is due has rung. */
import type { LedgerHistory } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";

/** `quietAt`: node time at which everything due had had time to ring; undefined when there was no such time. */
export function checkTimers({ shards }: LedgerHistory, quietAt: number | undefined): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { shard, records } of shards.values()) {
    const fail = (what: string): void => void problems.push({ rule: "H7", where: shard, what });
    const live = new Map<string, number>();
    for (const record of records) {
      if (record.kind !== "turn") continue;
      const { input } = record;
      if (input.from !== "topic" && input.delivery.kind === "timer") {
        const { id, dueAt } = input.delivery;
        if (live.get(id) !== dueAt) fail(`record ${record.seq} rang ${id} of ${dueAt}, which was not set`);
        if (record.at < dueAt) fail(`record ${record.seq} rang ${id} ${dueAt - record.at} ms early`);
        live.delete(id);
      }
      for (const effect of record.effects) {
        if (effect.do === "setTimer") live.set(effect.id, effect.at);
        if (effect.do === "cancelTimer") live.delete(effect.id);
      }
    }
    if (quietAt === undefined) continue;
    for (const [id, at] of live)
      if (at < quietAt) fail(`${id} was due at ${at} and had not rung at ${quietAt}`);
  }
  return problems;
}
