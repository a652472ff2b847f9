/** Records as they were kept first, as JSON in a text: sessions that live through an upgrade of this capsule are read from them. */
import type { Bound, Outcome, State, TransitionReason } from "@vnes/vpn-common";
import { type Kept, packAnswer, packAnswers } from "./record.ts";

type Row = readonly [
  id: string,
  owner: string,
  policy: readonly [sessionTtlMs: number, transportLossTtlMs: number, maxSwitchesPerMinute: number],
  createdAt: number,
  state: State,
  version: number,
  epoch: number,
  binding: readonly [channelId: string, pathId: string, at: number] | 0,
  lossSince: number | null,
  switches: readonly number[],
  reason: TransitionReason,
  changedAt: number,
  wakeAt: number | null,
  ...answers: AnswerRow[],
];

type AnswerRow = readonly [
  nonce: string,
  isAccepted: 0 | 1,
  reason: Outcome["reason"],
  trigger: Outcome["trigger"],
  state: Outcome["state"],
  version: number,
  epoch: number,
  channelId?: string | null,
  previousChannelId?: string | null,
  bound?: readonly [bound: string, limit: number, value: number, unit: string] | null,
  retryAfterMs?: number | null,
];

export function unpackJsonRecord(text: string): Kept {
  const [id, owner, policy, createdAt, state, version, epoch, binding, lossSince, switches, reason, ...rest] =
    JSON.parse(text) as Row;
  const [changed, wake, ...answers] = rest as unknown as [number, number | null, ...AnswerRow[]];
  const [sessionTtlMs, transportLossTtlMs, maxSwitchesPerMinute] = policy;
  const at = (since: number | null): number | null => (since === null ? null : createdAt + since);
  const changedAt = createdAt + changed;
  return {
    session: {
      id,
      owner,
      policy: { sessionTtlMs, transportLossTtlMs, maxSwitchesPerMinute },
      createdAt,
      state,
      version,
      epoch,
      binding:
        binding === 0 ? null : { channelId: binding[0], pathId: binding[1], at: createdAt + binding[2] },
      lossSince: at(lossSince),
      switches: switches.map((before) => changedAt - before),
      reason,
      changedAt,
    },
    wakeAt: at(wake),
    answers: packAnswers(answers.map((answer) => packAnswer(answerOf(answer, id)))),
  };
}

function answerOf(row: AnswerRow, sessionId: string): Parameters<typeof packAnswer>[0] {
  const [nonce, isAccepted, reason, trigger, state, version, epoch, ...more] = row;
  const [channelId = null, previousChannelId = null, met = null, retryAfterMs = null] = more;
  const bound: Bound | null =
    met === null ? null : { bound: met[0], limit: met[1], value: met[2], unit: met[3] };
  const outcome = isAccepted === 1 ? "accepted" : "rejected";
  const known = { outcome, reason, trigger, repeated: false, sessionId, state, version, epoch } as const;
  return { nonce, answer: { ...known, channelId, previousChannelId, retryAfterMs, bound } };
}
