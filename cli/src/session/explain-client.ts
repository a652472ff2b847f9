/** What only the client knows: why this path and not the next, what it tries, and what it waits for. */
import type { JsonObject } from "@vnes/schemas";
import { number, object, objects, text, texts } from "./fields.ts";
import { because } from "./reasons.ts";
import type { SeenEvent } from "./session-events.ts";
import { times, when } from "./when.ts";

/** Which transport carries it, and what put it before the others when it was chosen. */
export function choiceSentences(
  status: JsonObject,
  events: readonly SeenEvent[],
  now: number,
): readonly string[] {
  const active = object(status["active"]);
  const pathId = text(active, "pathId");
  if (pathId === null) return [];
  const since = number(active, "since");
  const carries = `Path ${pathId} carries it${since === null ? "" : `, since ${when(since, now)}`}.`;
  const at = events.findLastIndex(({ event }) => {
    return ["attached", "switched"].includes(text(event, "event") ?? "") && text(event, "pathId") === pathId;
  });
  const bound = events[at];
  const choice = object(object(bound?.event["evidence"])?.["choice"]);
  const left = bound === undefined ? null : leftText(bound.event, events.slice(0, at));
  return [carries, left, choice === null ? null : whyText(pathId, choice)].filter((one) => one !== null);
}

/** Why the path before this one was left, with what the first sign of trouble had seen. */
function leftText(bound: JsonObject, before: readonly SeenEvent[]): string | null {
  const [from, cause] = [text(bound, "fromPathId"), text(object(bound["evidence"]), "cause")];
  if (from === null || cause === null || from === text(bound, "pathId")) return null;
  const sign = before.findLast(({ event }) => {
    return ["suspected", "lost"].includes(text(event, "event") ?? "") && text(event, "pathId") === from;
  });
  const evidence = text(sign?.event ?? null, "reason") === cause ? object(sign?.event["evidence"]) : null;
  const addresses = ["gone", "came"].flatMap((name) => {
    const named = texts(evidence, name);
    return named.length === 0 ? [] : [`${name} ${named.join(", ")}`];
  });
  const seen = [text(evidence, "code"), text(evidence, "detail"), ...addresses].filter((one) => one !== null);
  return `It left ${from} because ${because(cause)} (${[cause, ...seen].join("; ")}).`;
}

function whyText(pathId: string, choice: JsonObject): string {
  const by = text(choice, "by");
  if (by === "person") return `A person asked for ${pathId}.`;
  const who = by === "routing" ? "The capsule routing" : "The client itself";
  const decision = decisionText(object(choice["decidedBy"]));
  const skipped = texts(choice, "skipped");
  const problem = text(choice, "problem");
  return [
    decision === null
      ? `${who} ranked it; no candidate was left behind it.`
      : `${who} put it before ${decision}.`,
    skipped.length === 0
      ? ""
      : ` Better places had ${skipped.join(", ")}, which ${skipped.length === 1 ? "was" : "were"} in trouble or tried already.`,
    problem === null ? "" : ` Routing did not rank (${problem}).`,
    geometryText(object(choice["geometry"])),
  ].join("");
}

/** Where a ranking asked for estimates. */
function geometryText(geometry: JsonObject | null): string {
  const [model, problem] = [text(geometry, "model"), text(geometry, "problem")];
  if (problem !== null) return ` What was not measured was not estimated either: geometry, ${problem}.`;
  return model === null ? "" : ` What was not measured was asked of geometry (${model}).`;
}

/** `udp by latency: 12 ms against 40 ms`. */
function decisionText(decision: JsonObject | null): string | null {
  const [criterion, against] = [text(decision, "criterion"), text(decision, "against")];
  if (criterion === null || against === null) return null;
  const unit = text(decision, "unit");
  const shown = (name: string): string => {
    const value = number(decision, name);
    if (value === null) return text(decision, name) ?? "unknown";
    return `${Math.round(value * 10) / 10}${unit === null ? "" : ` ${unit}`}`;
  };
  return `${against} by ${criterion}: ${shown("value")} against ${shown("next")}`;
}

/** What it would try next, and how each candidate does. */
export function candidateSentences(status: JsonObject, now: number): readonly string[] {
  const candidates = objects(status, "candidates");
  const others = candidates.filter((one) => one["active"] !== true);
  const [next] = others;
  if (next === undefined) return candidates.length === 0 ? [] : ["There is no other candidate to go to."];
  const place = objects(object(status["ranking"]), "places").find(
    (one) => text(one, "pathId") === text(next, "pathId"),
  );
  const decision = decisionText(object(place?.["decidedBy"]));
  const lead =
    others.length < candidates.length ? "If it has to leave, it goes first to" : "First in order is";
  const why = decision === null ? "" : `, before ${decision}`;
  return [
    `${lead} ${text(next, "pathId")}${why}.`,
    `Candidates: ${candidates.map((one) => healthText(one, now)).join("; ")}.`,
  ];
}

function healthText(candidate: JsonObject, now: number): string {
  const failures = number(candidate, "failures") ?? 0;
  const latency = number(candidate, "latencyMs");
  const ok = number(candidate, "lastOkAt");
  const words = [
    `priority ${number(candidate, "priority")}`,
    latency === null ? null : `latency ${Math.round(latency * 10) / 10} ms`,
    failures === 0 ? null : `failed ${times(failures)} (${text(candidate, "lastFailure") ?? "?"})`,
    ok === null ? "never answered" : `last answered ${when(ok, now)}`,
  ];
  return `${text(candidate, "pathId")} (${words.filter((word) => word !== null).join(", ")})`;
}

export function attemptSentence(status: JsonObject, now: number): readonly string[] {
  const attempt = object(status["attempt"]);
  if (attempt === null) return [];
  const stage = text(attempt, "stage") === "opening" ? "opening a channel" : "asking the gateway";
  const at = number(attempt, "startedAt");
  return [
    `It tries path ${text(attempt, "pathId")} now, ${stage}${at === null ? "" : `, since ${when(at, now)}`}.`,
  ];
}

export function waitSentences(status: JsonObject, now: number): readonly string[] {
  const sentences: string[] = [];
  const waiting = object(status["waiting"]);
  const until = number(waiting, "until");
  if (until !== null) {
    const reason = text(waiting, "reason") ?? "?";
    sentences.push(`The next attempt is ${when(until, now)}, because ${because(reason)} (${reason}).`);
  }
  const end = number(status, "recoveryEndsAt");
  if (end !== null) sentences.push(`If no attempt succeeds before, the client gives up ${when(end, now)}.`);
  const switches = number(status, "switchesLastMinute");
  if (switches !== null && switches > 0) sentences.push(`It switched ${times(switches)} in the last minute.`);
  if (sentences.length === 0) {
    sentences.push(
      "It stays on its path until that is in trouble or a person asks for another; a better one is no reason to leave.",
    );
  }
  return sentences;
}
