/**
 * Why a session is where it is, in sentences. Pure: what a node says of the session, its last events and the time go in. It
 * says nothing it was not told; what is missing is left out.
 */
import type { JsonObject } from "@vnes/schemas";
import { boundText } from "./event-line.ts";
import { attemptSentence, candidateSentences, choiceSentences, waitSentences } from "./explain-client.ts";
import { denialSentences, isDenial, LATELY_MS } from "./explain-denials.ts";
import { number, object, text } from "./fields.ts";
import { because, REASONS } from "./reasons.ts";
import { type Sentence, there, wordsOf } from "./sentence.ts";
import { isEnd, isOfDecision, type SeenEvent } from "./session-events.ts";
import { times, when } from "./when.ts";

export type Standing =
  /** What `vpn.session` says of it: this node owns it. */
  | { readonly role: "owner"; readonly view: JsonObject }
  /** What `vpn.client` says of itself: this node mirrors it, or its client has none yet. */
  | { readonly role: "client"; readonly status: JsonObject }
  /** Neither says anything of it any more; there are events of it. */
  | { readonly role: "past" };

export type Explanation = {
  readonly [part in "where" | "path" | "denied" | "next" | "person"]: readonly Sentence[];
};

const STATES: { readonly [state: string]: string } = {
  BIRTH: "was made, and no transport carries it yet",
  ATTACHED: "is attached",
  VOLATILE: "is volatile: a path is bound to it, and nothing is heard over that path",
  DEGRADED: "is degraded: its path carries it and does less than the policy asks",
  RECOVERING: "is recovering: no transport carries it, and its client may bring another",
  TERMINATED: "has ended, and an ended session does not come back",
};

const MODES: { readonly [mode: string]: string } = {
  idle: "has no gateway to go to",
  seeking: "has no session yet and asks for one",
  steady: "is attached",
  suspect: "is in doubt: nothing is heard over its path, which is still open",
  recovering: "is recovering: no transport carries it, and the client looks for one",
  ended: "has ended, and the client does not begin another by itself",
};

/** Of a client that ended before it had a session. */
const GAVE_UP = "has no session, and asks for none any more";

/**
 * `events`: the session's own, oldest first; older ones than `session-events.ts` looks through are not among them.
 * `session` is null for a client that has none.
 */
export function explain(
  session: string | null,
  standing: Standing,
  events: readonly SeenEvent[],
  now: number,
): Explanation {
  switch (standing.role) {
    case "owner":
      return explainOwned(session ?? "?", standing.view, events, now);
    case "client":
      return explainMirrored(session, standing.status, events, now);
    case "past":
      return explainPast(session ?? "?", events, now);
  }
}

export function sentencesOf({ where, path, denied, next, person }: Explanation): readonly Sentence[] {
  return [...where, ...path, ...denied, ...next, ...person];
}

function explainOwned(
  session: string,
  view: JsonObject,
  events: readonly SeenEvent[],
  now: number,
): Explanation {
  const state = text(view, "state") ?? "?";
  const reason = text(view, "reason") ?? "?";
  const binding = object(view["binding"]);
  const changedAt = number(view, "changedAt");
  const last = events.findLast(
    ({ topic, event }) => topic === "vpn.session.v1" && text(event, "reason") === reason,
  );
  const since = changedAt === null ? "" : `, since ${when(changedAt, now)}`;
  const where = [
    `Session ${session} ${STATES[state] ?? `is ${state}`} (${state})${since}.`,
    cameHere(last?.event ?? null, reason),
  ];
  const path =
    binding === null
      ? []
      : [
          `Path ${text(binding, "pathId")} carries it, bound ${whenOf(binding, "at", now)} (epoch ${number(view, "epoch")}).`,
          there(
            `Which path is taken its client decides: vnes session explain ${session} on the client's node says why.`,
          ),
        ];
  const next = state === "TERMINATED" ? [] : ownedClocks(view, events, now);
  return {
    where,
    path,
    denied: denialSentences(events, now),
    next,
    person: advice(session, reason, events, now, state === "TERMINATED").map((one) =>
      onThisNode(one, "gateway"),
    ),
  };
}

/** Why it is in this state, with what was seen. */
function cameHere(event: JsonObject | null, reason: string): string {
  const from = text(event, "from");
  const came = from === null || from === text(event, "to") ? "That is so" : `It came from ${from}`;
  return `${came} because ${because(reason)} (${reason}${seen(object(event?.["evidence"]))}).`;
}

/** The part of the evidence that is a measurement or a cause, for the end of a sentence. */
function seen(evidence: JsonObject | null): string {
  const words = [
    measured(evidence, "silentMs", "silent for"),
    measured(evidence, "troubleMs", "trouble for"),
    measured(evidence, "attemptMs", "attempt took"),
    named(evidence, "reason", "reported"),
    named(evidence, "below", "reported"),
    named(evidence, "detail", "reported"),
    named(evidence, "why", "why"),
    named(evidence, "caller", "asked by"),
    boundOf(evidence),
  ];
  return words
    .filter((word) => word !== null)
    .map((word) => `; ${word}`)
    .join("");
}

function measured(evidence: JsonObject | null, name: string, words: string): string | null {
  const value = number(evidence, name);
  return value === null ? null : `${words} ${value} ms`;
}

function named(evidence: JsonObject | null, name: string, words: string): string | null {
  const value = text(evidence, name);
  return value === null ? null : `${words} ${value}`;
}

function boundOf(evidence: JsonObject | null): string | null {
  const shown = boundText(object(evidence?.["bound"]));
  return shown === null ? null : `bound ${shown}`;
}

function ownedClocks(view: JsonObject, events: readonly SeenEvent[], now: number): readonly string[] {
  const policy = object(view["policy"]);
  const sentences: string[] = [];
  const loss = number(view, "lossExpiresAt");
  const end = number(view, "sessionExpiresAt");
  const lossTtl = number(policy, "transportLossTtlMs");
  if (loss !== null) {
    sentences.push(
      `Unless a transport is confirmed before, it ends ${when(loss, now)}: the policy allows ${lossTtl} ms without one (policy.transportLossTtlMs).`,
    );
  }
  if (end !== null) {
    sentences.push(
      `Whatever happens, it ends ${when(end, now)}: its greatest age is ${number(policy, "sessionTtlMs")} ms (policy.sessionTtlMs).`,
    );
  }
  const [switches, most] = [number(view, "switchesLastMinute"), number(policy, "maxSwitchesPerMinute")];
  if (switches !== null && most !== null) {
    const left = most - switches;
    const next = switchAllowedAt(events, most, now);
    const may = left > 0 ? `${left} more are allowed now` : "no more are allowed now";
    const again = left > 0 || next === null ? "" : `, one more ${when(next, now)}`;
    sentences.push(
      `It switched ${times(switches)} in the last minute; of ${most} (policy.maxSwitchesPerMinute) ${may}${again}.`,
    );
  }
  return sentences;
}

const SWITCH_WINDOW_MS = 60_000;

/** When the oldest switch that counts no longer does; null where the events do not reach back so far. */
function switchAllowedAt(events: readonly SeenEvent[], most: number, now: number): number | null {
  const switches = events.flatMap(({ event, at }) => {
    return text(event, "reason") === "REATTACHED" && text(event, "to") === "ATTACHED" ? [at] : [];
  });
  const recent = switches.filter((at) => at > now - SWITCH_WINDOW_MS);
  const blocking = recent[recent.length - most];
  return blocking === undefined ? null : blocking + SWITCH_WINDOW_MS;
}

function explainMirrored(
  session: string | null,
  status: JsonObject,
  events: readonly SeenEvent[],
  now: number,
): Explanation {
  const mode = text(status, "mode") ?? "?";
  const reason = text(status, "reason") ?? "?";
  const own = events.filter(({ topic }) => topic === "vpn.client.v1");
  const last = own.findLast(
    ({ event }) => text(event, "reason") === reason && text(event, "event") !== "denied",
  );
  const active = object(status["active"]);
  const since = number(status, "troubleSince") ?? number(active, "since") ?? last?.at ?? null;
  const mirror = object(status["session"]);
  const isIdle = mode === "ended" || mode === "idle";
  const isClient = session === null || mode === "seeking" || mode === "idle";
  const what = isClient ? "The client" : `Session ${session}`;
  const does = session === null && mode === "ended" ? GAVE_UP : (MODES[mode] ?? `is ${mode}`);
  const state = text(mirror, "state");
  const where = [
    `${what} ${does} (${[mode, state].filter((word) => word !== null).join(", ")})${since === null ? "" : `, since ${when(since, now)}`}.`,
    `That is so because ${because(reason)} (${reason}${seen(object(last?.event["evidence"]))}).`,
    ...qualitySentence(status),
  ];
  return {
    where,
    path: isIdle ? [] : [...choiceSentences(status, own, now), ...candidateSentences(status, now)],
    denied: denialSentences(events, now),
    next: isIdle ? [] : mirroredNext(session, status, now),
    person: advice(session, reason, events, now, mode === "ended").map((one) => onThisNode(one, "client")),
  };
}

/** Let go of, or followed by another: what is left is what was said of it. */
function explainPast(session: string, events: readonly SeenEvent[], now: number): Explanation {
  const last = events.findLast(isOfDecision);
  const [event, reason] = [last?.event ?? null, text(last?.event ?? null, "reason") ?? "?"];
  const state = text(event, "to") ?? text(event, "event");
  const became = last !== undefined && isEnd(last) ? "It ended" : `Its last event is ${state}`;
  const at = last === undefined ? "" : ` ${when(last.at, now)}`;
  return {
    where: [
      `Session ${session} is not kept here any more; its events are.`,
      `${became}${at}, because ${because(reason)} (${reason}${seen(object(event?.["evidence"]))}).`,
    ],
    path: [],
    denied: denialSentences(events, now),
    next: [],
    person: [`Everything that happened: vnes session history ${session}.`],
  };
}

/** Attached, and not as well as the policy asks: the client's own judgement. */
function qualitySentence(status: JsonObject): readonly string[] {
  const quality = object(status["quality"]);
  const reason = text(quality, "reason");
  if (quality?.["isBelow"] !== true || reason === null) return [];
  return [`It does less than the policy asks, because ${because(reason)} (${reason}).`];
}

function mirroredNext(session: string | null, status: JsonObject, now: number): readonly Sentence[] {
  const own = [...attemptSentence(status, now), ...waitSentences(status, now)];
  if (session === null) return own;
  return [
    ...own,
    there(
      `When its clocks end it, the gateway knows: vnes session explain ${session} on the gateway's node.`,
    ),
  ];
}

/** What is to be typed on the client's node is typed here, where this is told by the client; and so for the gateway. */
function onThisNode(sentence: Sentence, told: "client" | "gateway"): Sentence {
  const [words, elsewhere] = [wordsOf(sentence), `, on the ${told}'s node:`];
  return words.includes(elsewhere) ? words.replace(elsewhere, ":") : sentence;
}

/** What can be done about where it is, and about the last denial. */
function advice(
  session: string | null,
  reason: string,
  events: readonly SeenEvent[],
  now: number,
  isOver: boolean,
): readonly Sentence[] {
  const denied = events.findLast(({ event, at }) => isDenial(event) && now - at <= LATELY_MS);
  const codes = [reason, ...(denied === undefined || isOver ? [] : [text(denied.event, "reason") ?? ""])];
  const steps = new Set<Sentence>(codes.flatMap((code) => REASONS[code]?.next ?? []));
  if (steps.size === 0) steps.add("There is nothing to do.");
  const all = session === null ? "vnes topic tail vpn.client.v1 --from 1" : `vnes session history ${session}`;
  return [...steps, `Everything that happened: ${all}.`];
}

function whenOf(of: JsonObject, name: string, now: number): string {
  const at = number(of, name);
  return at === null ? "" : when(at, now);
}
