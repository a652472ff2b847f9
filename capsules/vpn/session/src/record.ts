/**
 * What is kept of one session, as text: its names would take half of it, and the node keeps it in memory. Everything that belongs
 * to a session is in one record, so a request reads one key and writes one.
 */
import type { Json } from "@vnes/sdk";
import type { Outcome, Session, State, TransitionReason } from "@vnes/vpn-common";
import type { RecordedAnswer } from "./nonces.ts";

export interface Kept {
  readonly session: Session;
  /** For when the session's one timer is set; null: it is not. */
  readonly wakeAt: number | null;
  /** Newest last. */
  readonly answers: readonly RecordedAnswer[];
}

/** Times are told from the birth on, and of switches how long they were before the last change: a few digits each. */
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
  /** Of an end nothing is remembered. */
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

export function packRecord({ session, wakeAt, answers }: Kept): string {
  const { id, owner, policy, createdAt, state, version, epoch, binding, lossSince, switches } = session;
  const since = (at: number | null): number | null => (at === null ? null : at - createdAt);
  const row: Row = [
    id,
    owner,
    [policy.sessionTtlMs, policy.transportLossTtlMs, policy.maxSwitchesPerMinute],
    createdAt,
    state,
    version,
    epoch,
    binding === null ? 0 : [binding.channelId, binding.pathId, binding.at - createdAt],
    since(lossSince),
    switches.map((at) => session.changedAt - at),
    session.reason,
    session.changedAt - createdAt,
    since(wakeAt),
    ...answers.map(packAnswer),
  ];
  return JSON.stringify(row);
}

export function unpackRecord(value: Json): Kept {
  const row = JSON.parse(value as string) as Row;
  const [id, owner, policy, createdAt, state, version, epoch, binding, lossSince, switches, reason] = row;
  const [sessionTtlMs, transportLossTtlMs, maxSwitchesPerMinute] = policy;
  const [changed, wake, ...answers] = row.slice(11) as unknown as [number, number | null, ...AnswerRow[]];
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
    answers: answers.map((answer) => unpackAnswer(answer, id)),
  };
}

/** The session's id, and that it was no repeat, go without saying. */
function packAnswer({ nonce, answer }: RecordedAnswer): AnswerRow {
  const { outcome, reason, trigger, state, version, epoch } = answer;
  const { channelId, previousChannelId, bound, retryAfterMs } = answer;
  const row = [nonce, outcome === "accepted" ? 1 : 0, reason, trigger, state, version, epoch] as const;
  const met = bound === null ? null : ([bound.bound, bound.limit, bound.value, bound.unit] as const);
  if (retryAfterMs !== null) return [...row, channelId, previousChannelId, met, retryAfterMs];
  if (met !== null) return [...row, channelId, previousChannelId, met];
  if (previousChannelId !== null) return [...row, channelId, previousChannelId];
  return channelId === null ? row : [...row, channelId];
}

function unpackAnswer(row: AnswerRow, sessionId: string): RecordedAnswer {
  const [nonce, isAccepted, reason, trigger, state, version, epoch, ...more] = row;
  const [channelId = null, previousChannelId = null, met = null, retryAfterMs = null] = more;
  const answer: Outcome = {
    outcome: isAccepted === 1 ? "accepted" : "rejected",
    reason,
    trigger,
    repeated: false,
    sessionId,
    state,
    version,
    epoch,
    channelId,
    previousChannelId,
    retryAfterMs,
    bound: met === null ? null : { bound: met[0], limit: met[1], value: met[2], unit: met[3] },
  };
  return { nonce, answer };
}
