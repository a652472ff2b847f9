/** H5 and H6: what shards received of each other, and how calls ended. */
import {
  type EffectId,
  formatEffectId,
  isAtOrBelow,
  parseEffectId,
} from "../../kernel/src/ledger/effect-id.ts";
import type { TurnRecord } from "../../kernel/src/ledger/record.ts";
import { effectAt, isSameJson, type LedgerHistory, turnsOf } from "./ledger-history.ts";
import type { Effect } from "@vnes/schemas";
import type { Problem } from "./problem.ts";

export function checkReceiving(ledger: LedgerHistory, quiet: boolean): readonly Problem[] {
  return [...checkEffects(ledger), ...checkCalls(ledger, quiet)];
}

function checkEffects(ledger: LedgerHistory): readonly Problem[] {
  const problems: Problem[] = [];
  const last = new Map<string, EffectId>();
  for (const { shard, record } of turnsOf(ledger)) {
    if (record.input.from !== "effect") continue;
    const source = { shard: record.input.shard, seq: record.input.seq, index: record.input.index };
    const what = (text: string): Problem => ({
      rule: "H5",
      where: shard,
      what: `record ${record.seq} received ${formatEffectId(source)}, ${text}`,
    });
    const link = `${source.shard} ${shard}`;
    if (isAtOrBelow(source, last.get(link))) problems.push(what("again or out of order"));
    last.set(link, source);
    const wrong = difference(ledger, record, source);
    if (wrong !== undefined) problems.push(what(wrong));
  }
  return problems;
}

function difference(ledger: LedgerHistory, { input }: TurnRecord, source: EffectId): string | undefined {
  if (input.from !== "effect") return undefined;
  const { delivery } = input;
  const effect = effectAt(ledger, source);
  if (effect === undefined) return "which no durable record asked for";
  if (delivery.kind === "call") {
    const same =
      effect.do === "call" &&
      effect.capability === delivery.capability &&
      effect.method === delivery.method &&
      delivery.callId === formatEffectId(source) &&
      isSameJson(effect.input, delivery.input);
    return same ? undefined : "which was another call";
  }
  if (delivery.kind === "answer") {
    const same =
      effect.do === "answer" &&
      effect.callId === delivery.callId &&
      isSameJson(effect.answer, delivery.answer);
    return same ? undefined : "which was another answer";
  }
  return `which became a delivery "${delivery.kind}"`;
}

function checkCalls(ledger: LedgerHistory, quiet: boolean): readonly Problem[] {
  const problems: Problem[] = [];
  const fail = (where: string, what: string): void => void problems.push({ rule: "H6", where, what });
  const ended = new Map<string, number>();
  for (const { shard, record } of turnsOf(ledger)) {
    if (record.input.from === "topic" || record.input.delivery.kind !== "answer") continue;
    const { callId } = record.input.delivery;
    const call = parseEffectId(callId);
    const effect = call === undefined ? undefined : effectAt(ledger, call);
    if ((effect?.do !== "call" && effect?.do !== "read") || call?.shard !== shard)
      fail(shard, `record ${record.seq} got an answer to ${callId}, which it never asked`);
    else if (call.seq >= record.seq)
      fail(shard, `record ${record.seq} got an answer to the later call ${callId}`);
    if (ended.has(callId))
      fail(shard, `${callId} ended in record ${ended.get(callId)} and again in ${record.seq}`);
    ended.set(callId, record.seq);
  }
  if (!quiet) return problems;
  for (const { shard, record } of turnsOf(ledger)) {
    record.effects.forEach((effect, index) => {
      const callId = formatEffectId({ shard, seq: record.seq, index });
      const what =
        effect.do === "call" ? `${effect.capability}.${effect.method}` : `read of ${nameOf(effect)}`;
      if ((effect.do === "call" || effect.do === "read") && !ended.has(callId))
        fail(shard, `${callId} (${what}) never ended`);
    });
  }
  return problems;
}

function nameOf(effect: Effect): string {
  return effect.do === "read" ? effect.capsule : effect.do;
}
