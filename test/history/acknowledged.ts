/** H8: what clients were told against what the ledger holds. */
import type { Answer } from "@vnes/schemas";
import { isSameJson, type LedgerHistory, turnsOf } from "./ledger-history.ts";
import type { Operation } from "./operation.ts";
import type { Problem } from "./problem.ts";

interface Ran {
  readonly shard: string;
  readonly seq: number;
  readonly callId: string;
}

interface Given {
  readonly shard: string;
  readonly seq: number;
  readonly answer: Answer;
}

/**
 * `operations` are calls that leave a record and whose input nobody sent twice. With `end.durable` the record of the
 * answer must have been durable when the answer came.
 */
export function checkAcknowledged(
  ledger: LedgerHistory,
  operations: readonly Operation[],
): readonly Problem[] {
  const problems: Problem[] = [];
  const { ran, given } = index(ledger);
  for (const { name, input, end } of operations) {
    const runs = ran.get(textOf(name, input)) ?? [];
    const where = `${name} ${JSON.stringify(input)}`;
    const fail = (what: string): void => void problems.push({ rule: "H8", where, what });
    if (runs.length > 1)
      fail(`ran ${runs.length} times: ${runs.map(({ shard, seq }) => `${shard} ${seq}`).join(", ")}`);
    if (end?.answer.ok !== true) continue;
    const answers = runs.flatMap(({ callId }) => given.get(callId) ?? []);
    const [answer] = answers;
    if (answer === undefined) fail("was acknowledged and is lost");
    else if (!isSameJson(answer.answer, end.answer))
      fail("was acknowledged with another answer than the recorded one");
    else if (end.durable !== undefined && answer.seq > (end.durable.get(answer.shard) ?? 0))
      fail(`was acknowledged before record ${answer.seq} of ${answer.shard} was durable`);
  }
  return problems;
}

function index(ledger: LedgerHistory): {
  readonly ran: ReadonlyMap<string, readonly Ran[]>;
  readonly given: ReadonlyMap<string, readonly Given[]>;
} {
  const ran = new Map<string, Ran[]>();
  const given = new Map<string, Given[]>();
  for (const { shard, record } of turnsOf(ledger)) {
    const { input, seq } = record;
    if (input.from === "control" && input.delivery.kind === "call") {
      const { capability, method, callId } = input.delivery;
      push(ran, textOf(`${capability}.${method}`, input.delivery.input), { shard, seq, callId });
    }
    for (const effect of record.effects)
      if (effect.do === "answer" && effect.callId.startsWith("control/"))
        push(given, effect.callId, { shard, seq, answer: effect.answer });
  }
  return { ran, given };
}

function textOf(name: string, input: unknown): string {
  return `${name} ${JSON.stringify(input)}`;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
