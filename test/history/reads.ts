/** H8 for reads, which leave no record: what was told had been written by a record that was durable when it was told. */
import type { LedgerHistory } from "./ledger-history.ts";
import type { Operation } from "./operation.ts";
import type { Problem } from "./problem.ts";

export interface KeyRead {
  readonly capsule: string;
  readonly key: string;
  readonly value: unknown;
}

/** `read` is what an operation read of which capsule's key; undefined for what reads nothing. */
export function checkReads(
  ledger: LedgerHistory,
  operations: readonly Operation[],
  read: (operation: Operation) => KeyRead | undefined,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const operation of operations) {
    const told = read(operation);
    const durable = operation.end?.durable;
    if (told === undefined || told.value === null || durable === undefined) continue;
    if (wasWritten(ledger, told, durable)) continue;
    const what = `told ${JSON.stringify(told.value)}, which no durable record had written`;
    problems.push({ rule: "H8", where: `${operation.name} ${told.key}`, what });
  }
  return problems;
}

function wasWritten(
  { shards }: LedgerHistory,
  { capsule, key, value }: KeyRead,
  durable: ReadonlyMap<string, number>,
): boolean {
  for (const { shard, records } of shards.values()) {
    if (!shard.startsWith(`${capsule}/`)) continue;
    for (const record of records.slice(0, durable.get(shard) ?? 0)) {
      if (record.kind !== "turn") continue;
      if (record.effects.some((one) => one.do === "write" && one.key === key && one.value === value))
        return true;
    }
  }
  return false;
}
