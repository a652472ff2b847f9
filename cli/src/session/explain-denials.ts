/** What was tried lately and came to nothing: who asked, for what, and which number decided. */
import type { JsonObject } from "@vnes/schemas";
import { boundText } from "./event-line.ts";
import { number, object, text } from "./fields.ts";
import { because } from "./reasons.ts";
import type { SeenEvent } from "./session-events.ts";
import { when } from "./when.ts";
import { instant } from "../output/text.ts";

/** Older denials are history. */
export const LATELY_MS: number = 10 * 60_000;
/** The newest ones; all of them are in the history. */
const SHOWN = 5;

export function denialSentences(events: readonly SeenEvent[], now: number): readonly string[] {
  const all = events.filter(({ event, at }) => now - at <= LATELY_MS && isFailure(event));
  const shown = all.slice(-SHOWN).map((seen) => sentenceOf(seen, now));
  const more = all.length - shown.length;
  return more > 0
    ? [
        `In the last ${LATELY_MS / 60_000} min ${all.length} requests or attempts came to nothing; the newest ${SHOWN}:`,
        ...shown,
      ]
    : shown;
}

export function isDenial(event: JsonObject): boolean {
  return number(event, "count") !== null || text(event, "event") === "denied";
}

/** Denied, or tried and failed. */
function isFailure(event: JsonObject): boolean {
  return isDenial(event) || text(event, "event") === "pathFailed";
}

/** What failed, by who looked. */
const FAILED: { readonly [by: string]: string } = { probe: "The probe of", standby: "The standby over" };

function sentenceOf({ event, at }: SeenEvent, now: number): string {
  const reason = text(event, "reason") ?? "?";
  const evidence = object(event["evidence"]);
  const rest = `because ${because(reason)} (${reason}${details(evidence)})`;
  const path = text(event, "pathId");
  if (text(event, "event") === "pathFailed")
    return `${FAILED[text(evidence, "by") ?? ""] ?? "The attempt over"} path ${path} failed ${when(at, now)}, ${rest}.`;
  if (text(event, "event") === "denied") {
    const person = text(evidence, "by") === "person";
    const what = person
      ? `A person's jump${path === null ? "" : ` to ${path}`} was refused`
      : "The client held itself back";
    const byGateway = text(evidence, "by") === "gateway" ? "The gateway told the client to wait" : what;
    return `${byGateway} ${when(at, now)}, ${rest}.`;
  }
  const count = number(event, "count") ?? 1;
  const times =
    count === 1 ? "" : ` ${count} times since ${when(number(event, "since") ?? at, now)}, the last time`;
  const over = path === null ? "" : ` over path ${path}`;
  return `A ${text(event, "asked")}${over} was denied by the ${text(event, "by")}${times} ${when(at, now)}, ${rest}.`;
}

function details(evidence: JsonObject | null): string {
  const claimed = object(evidence?.["claimed"]);
  const until = number(evidence, "until") ?? number(evidence, "allowedAt");
  const words = [
    claimed === null ? null : claimText(claimed),
    boundText(object(evidence?.["bound"])) === null
      ? null
      : `bound ${boundText(object(evidence?.["bound"]))}`,
    until === null ? null : `allowed again ${instant(until)}`,
    text(evidence, "cause") === null ? null : `cause ${text(evidence, "cause")}`,
    text(evidence, "code") === null ? null : `cause ${text(evidence, "code")}`,
    text(evidence, "endedFor") === null ? null : `it ended for ${text(evidence, "endedFor")}`,
  ];
  return words
    .filter((word) => word !== null)
    .map((word) => `; ${word}`)
    .join("");
}

/** Epoch and version are what a claim can be wrong about. */
function claimText(claimed: JsonObject): string | null {
  const words = ["epoch", "version", "expectedVersion"].flatMap((name) => {
    const value = number(claimed, name);
    return value === null ? [] : [`${name} ${value}`];
  });
  return words.length === 0 ? null : `claimed ${words.join(", ")}`;
}
