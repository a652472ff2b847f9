/**
 * What is kept of one session, as text: its names would take half of it, and the node keeps it in memory. Everything that belongs
 * to a session is in one record, so a request reads one key and writes one.
 *
 *   <id>|<owner>|<sessionTtlMs>|<transportLossTtlMs>|<maxSwitchesPerMinute>|<createdAt>|<state>|<version>|<epoch>|
 *   <channelId>|<pathId>|<bound at>|<lossSince>|<switches>|<reason>|<changedAt>|<wakeAt>[!<answer> ...]
 *
 * Times are told from the birth on, and of switches how long they were before the last change: a few digits each. What is not there
 * is empty. JSON in a text has every quote of it escaped, again by whoever writes, measures or keeps it: so there are no quotes here.
 * Of the answers nothing is read but where one begins, until one is asked for. A record whose answers stand behind `|` was written
 * before they did behind `!`.
 */
import type { Json } from "@vnes/sdk";
import type { Outcome, Session, State, TransitionReason } from "@vnes/vpn-common";
import { unpackJsonRecord } from "./json-record.ts";
import type { RecordedAnswer } from "./nonces.ts";

export interface Kept {
  readonly session: Session;
  /** For when the session's one timer is set; null: it is not. */
  readonly wakeAt: number | null;
  /** Newest last, each `ANSWER` and what `packAnswer` made of it. */
  readonly answers: string;
}

/** In front of each answer; in no other place of a record. */
export const ANSWER = "!";

/** Fields of a record in front of its answers. */
const HEAD_FIELDS = 17;

export function packRecord({ session, wakeAt, answers }: Kept): string {
  const { id, owner, policy, createdAt, state, version, epoch, binding, lossSince, changedAt } = session;
  const { sessionTtlMs, transportLossTtlMs, maxSwitchesPerMinute } = policy;
  const place =
    binding === null ? "||" : `${word(binding.channelId)}|${word(binding.pathId)}|${binding.at - createdAt}`;
  let switches = "";
  for (const at of session.switches) switches += `${switches === "" ? "" : ","}${changedAt - at}`;
  let text = `${id}|${owner}|${sessionTtlMs}|${transportLossTtlMs}|${maxSwitchesPerMinute}|${createdAt}|${state}|${version}|${epoch}|${place}`;
  text += `|${since(lossSince, createdAt)}|${switches}|${session.reason}|${changedAt - createdAt}|${since(wakeAt, createdAt)}`;
  return text + answers;
}

export function unpackRecord(value: Json): Kept {
  const text = value as string;
  if (text.startsWith("[")) return unpackJsonRecord(text);
  const end = text.indexOf(ANSWER);
  const fields = (end < 0 ? text : text.slice(0, end)).split("|");
  const [id, owner, sessionTtlMs, transportLossTtlMs, maxSwitchesPerMinute, birth, state, version, epoch] =
    fields as [string, ...string[]];
  const [
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    channelId = "",
    pathId,
    boundAt,
    loss = "",
    switches = "",
    reason,
    change,
    wake = "",
  ] = fields;
  const createdAt = Number(birth);
  const changedAt = createdAt + Number(change);
  const at = (since: string): number | null => (since === "" ? null : createdAt + Number(since));
  return {
    session: {
      id,
      owner: owner as string,
      policy: {
        sessionTtlMs: Number(sessionTtlMs),
        transportLossTtlMs: Number(transportLossTtlMs),
        maxSwitchesPerMinute: Number(maxSwitchesPerMinute),
      },
      createdAt,
      state: state as State,
      version: Number(version),
      epoch: Number(epoch),
      binding:
        channelId === ""
          ? null
          : {
              channelId: unword(channelId),
              pathId: unword(pathId as string),
              at: createdAt + Number(boundAt),
            },
      lossSince: at(loss),
      switches: unpackSwitches(switches, changedAt),
      reason: reason as TransitionReason,
      changedAt,
    },
    wakeAt: at(wake),
    answers: end < 0 ? packAnswers(fields.slice(HEAD_FIELDS)) : text.slice(end),
  };
}

/** Of packed ones. */
export function packAnswers(answers: readonly string[]): string {
  return answers.map((answer) => ANSWER + answer).join("");
}

/** The session's id, and that it was no repeat, go without saying; of an end nothing is remembered. */
export function packAnswer({ nonce, answer }: RecordedAnswer): string {
  const { outcome, reason, trigger, state, version, epoch, channelId, previousChannelId, bound } = answer;
  const decided = `${nonce},${outcome === "accepted" ? 1 : 0},${reason},${trigger},${state ?? ""},${version},${epoch}`;
  const channels = `${channelId === null ? "" : word(channelId)},${previousChannelId === null ? "" : word(previousChannelId)}`;
  const met =
    bound === null ? ",,," : `${word(bound.bound)},${bound.limit},${bound.value},${word(bound.unit)}`;
  return `${decided},${channels},${met},${answer.retryAfterMs ?? ""}`;
}

/** The packed answer to this nonce. */
export function answerTo(answers: string, nonce: string): string | undefined {
  const at = answers.indexOf(`${ANSWER}${nonce},`);
  if (at < 0) return undefined;
  const end = answers.indexOf(ANSWER, at + 1);
  return answers.slice(at + 1, end < 0 ? undefined : end);
}

export function unpackAnswer(packed: string, sessionId: string): RecordedAnswer {
  const [nonce, isAccepted, reason, trigger, state, version, epoch, ...more] = packed.split(",") as [
    string,
    ...string[],
  ];
  const [channelId = "", previousChannelId = "", name = "", limit, value, unit, retryAfterMs = ""] = more;
  const answer: Outcome = {
    outcome: isAccepted === "1" ? "accepted" : "rejected",
    reason: reason as Outcome["reason"],
    trigger: trigger as Outcome["trigger"],
    repeated: false,
    sessionId,
    state: state === "" ? null : (state as State),
    version: Number(version),
    epoch: Number(epoch),
    channelId: channelId === "" ? null : unword(channelId),
    previousChannelId: previousChannelId === "" ? null : unword(previousChannelId),
    retryAfterMs: retryAfterMs === "" ? null : Number(retryAfterMs),
    bound:
      name === ""
        ? null
        : { bound: unword(name), limit: Number(limit), value: Number(value), unit: unword(unit as string) },
  };
  return { nonce, answer };
}

const [COMMA, MINUS, ZERO] = [0x2c, 0x2d, 0x30];

/** A digit at a time: there may be hundreds, and a text for each of them takes ten times as long. */
function unpackSwitches(packed: string, changedAt: number): readonly number[] {
  const switches: number[] = [];
  if (packed === "") return switches;
  let before = 0;
  let sign = 1;
  for (let at = 0; at < packed.length; at++) {
    const unit = packed.charCodeAt(at);
    if (unit === COMMA) {
      switches.push(changedAt - sign * before);
      before = 0;
      sign = 1;
    } else if (unit === MINUS) sign = -1;
    else before = before * 10 + unit - ZERO;
  }
  switches.push(changedAt - sign * before);
  return switches;
}

function since(at: number | null, createdAt: number): string {
  return at === null ? "" : `${at - createdAt}`;
}

/** Names from outside may hold anything: what could be taken for a field's end is told by its code, and so is that there is nothing. */
const STRANGE = /[^A-Za-z0-9_.:@+/=-]/g;

function word(text: string): string {
  if (text === "") return "~";
  // Nearly always there is nothing to replace.
  return text.search(STRANGE) < 0
    ? text
    : text.replace(STRANGE, (unit) => `~${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function unword(packed: string): string {
  if (!packed.includes("~")) return packed;
  return packed === "~"
    ? ""
    : packed.replace(/~(.{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
