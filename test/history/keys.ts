/** H12: reads of another's keys, compare-and-set, and keys with a time to live. */
import { capsuleShard } from "../../kernel/src/bus/routing.ts";
import { parseEffectId } from "../../kernel/src/ledger/effect-id.ts";
import type { ReadEffect, StateRead } from "@vnes/schemas";
import { KeyHistory } from "./key-history.ts";
import { effectAt, isSameJson, type LedgerHistory, turnsOf } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";

/** `quietAt` as for timers. */
export function checkKeys(ledger: LedgerHistory, quietAt: number | undefined): readonly Problem[] {
  const problems: Problem[] = [];
  const histories = new Map<string, KeyHistory>();
  for (const { shard, records } of ledger.shards.values()) {
    const keys = new KeyHistory();
    histories.set(shard, keys);
    const fail = (what: string): void => void problems.push({ rule: "H12", where: shard, what });
    for (const record of records) {
      if (record.kind === "turn") {
        const { input, seq } = record;
        if (input.from !== "topic" && input.delivery.kind === "expiry") {
          const { key, version, dueAt } = input.delivery;
          const state = keys.now(key);
          if (state?.version !== version || state.dueAt !== dueAt)
            fail(`record ${seq} let ${key} go, which was not to go at ${dueAt}`);
          if (record.at < dueAt) fail(`record ${seq} let ${key} go ${dueAt - record.at} ms early`);
        }
        for (const effect of record.effects) {
          if ((effect.do !== "write" && effect.do !== "delete") || effect.expect === undefined) continue;
          const before = keys.at(effect.key, seq - 1)?.version ?? null;
          if (effect.expect !== before)
            fail(`record ${seq} expected version ${effect.expect} of ${effect.key}, which was ${before}`);
        }
      }
      keys.take(record);
    }
    for (const key of quietAt === undefined ? [] : keys.keys()) {
      const dueAt = keys.now(key)?.dueAt;
      if (dueAt !== undefined && dueAt < (quietAt ?? 0))
        fail(`${key} was to go at ${dueAt} and is there at ${quietAt}`);
    }
  }
  return [...problems, ...checkStateReads(ledger, histories)];
}

function checkStateReads(
  ledger: LedgerHistory,
  histories: ReadonlyMap<string, KeyHistory>,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { shard, record } of turnsOf(ledger)) {
    const { input, seq } = record;
    if (input.from === "topic" || input.delivery.kind !== "answer" || !input.delivery.answer.ok) continue;
    const call = parseEffectId(input.delivery.callId);
    const asked = call === undefined ? undefined : effectAt(ledger, call);
    if (asked?.do !== "read") continue;
    const told = input.delivery.answer.value as unknown as StateRead;
    const what = wrongRead(ledger, histories, asked, told);
    if (what !== undefined)
      problems.push({ rule: "H12", where: shard, what: `record ${seq} read ${told.shard}: ${what}` });
  }
  return problems;
}

function wrongRead(
  ledger: LedgerHistory,
  histories: ReadonlyMap<string, KeyHistory>,
  asked: ReadEffect,
  told: StateRead,
): string | undefined {
  if (told.shard !== capsuleShard(asked.capsule, asked.shard ?? 0)) return "another shard was asked for";
  const length = ledger.shards.get(told.shard)?.records.length ?? 0;
  if (told.seq > length) return `it names record ${told.seq}, and there are ${length}`;
  const history = histories.get(told.shard);
  const wanted = asked.keys ?? history?.keys().filter((key) => key.startsWith(asked.prefix ?? "")) ?? [];
  const expected = wanted.flatMap((key) => {
    const state = history?.at(key, told.seq);
    return state === undefined ? [] : [[key, state.value, state.version]];
  });
  const isPage = told.next !== null || asked.after !== undefined;
  const isSame = isPage
    ? told.values.every((one) => expected.some((other) => isSameJson(one, other)))
    : isSameJson(told.values, expected);
  return isSame
    ? undefined
    : `told ${JSON.stringify(told.values)}, at record ${told.seq} it was ${JSON.stringify(expected)}`;
}
