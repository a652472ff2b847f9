/** One event of a session as a line for people: when, what, why, by what, over which path, and what was seen. */
import type { Json, JsonObject } from "@vnes/schemas";
import { harmless } from "../output/text.ts";
import { number, object, text, texts } from "./fields.ts";
import type { SeenEvent } from "./session-events.ts";

/** Evidence that is longer is in `-o json`. */
const MAX_EVIDENCE = 160;
/** Said in the line already, or of no use to a reader. */
const ELSEWHERE: ReadonlySet<string> = new Set(["pathId", "nonce"]);
const STANDING = ["epoch", "version"] as const;
const WHAT_WIDTH = 24;
const REASON_WIDTH = 22;
const TRIGGER_WIDTH = 13;

export function eventLine(seen: SeenEvent, isOfOne: boolean): string {
  const { event, at } = seen;
  const parts = [
    new Date(at).toISOString(),
    ...(isOfOne ? [] : [text(event, "sessionId") ?? "no session"]),
    whatOf(event).padEnd(WHAT_WIDTH),
    (text(event, "reason") ?? "-").padEnd(REASON_WIDTH),
    triggerOf(event).padEnd(TRIGGER_WIDTH),
    pathOf(event),
    standingOf(event),
    evidenceText(seenIn(event)),
  ];
  return harmless(parts.filter((part) => part !== "").join("  ")).trimEnd();
}

function whatOf(event: JsonObject): string {
  const to = text(event, "to");
  if (to !== null) return `${text(event, "from") ?? "new"} -> ${to}`;
  const count = number(event, "count");
  if (count !== null) return count === 1 ? "denied" : `denied ${count} times`;
  return text(event, "event") ?? "?";
}

function triggerOf(event: JsonObject): string {
  const trigger = text(event, "trigger") ?? text(event, "asked");
  return trigger ?? "client";
}

function pathOf(event: JsonObject): string {
  const binding = text(object(event["binding"]), "pathId") ?? text(event, "pathId");
  const released = text(object(event["released"]), "pathId") ?? text(event, "fromPathId");
  if (binding === null) return released === null ? "" : `off ${released}`;
  return released === null || released === binding ? `over ${binding}` : `${released} -> ${binding}`;
}

/** Of a transition: where the session stands after it. */
function standingOf(event: JsonObject): string {
  if (text(event, "to") === null) return "";
  return STANDING.flatMap((name) => {
    const value = number(event, name);
    return value === null ? [] : [`${name}=${value}`];
  }).join(" ");
}

/** What was seen of it; the claims of whoever asked for a transition are where it started. */
function seenIn(event: JsonObject): JsonObject | null {
  const evidence = object(event["evidence"]);
  if (evidence === null || text(event, "to") === null) return evidence;
  return Object.fromEntries(
    Object.entries(evidence).filter(([name]) => !STANDING.some((one) => one === name)),
  );
}

/** `silentMs=170 bound=policy.cooldownMs 300/1000 ms`; what is nested is written as it is. */
export function evidenceText(evidence: JsonObject | null): string {
  const words = Object.entries(evidence ?? {}).flatMap(([name, value]) => {
    if (ELSEWHERE.has(name)) return [];
    const shown =
      name === "bound"
        ? boundText(object(value))
        : name === "choice"
          ? choiceText(object(value))
          : brief(value);
    return shown === null ? [] : [`${name}=${shown}`];
  });
  const all = words.join(" ");
  return all.length > MAX_EVIDENCE ? `${all.slice(0, MAX_EVIDENCE)}…` : all;
}

function brief(value: Json): string | null {
  if (value === null) return null;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function boundText(bound: JsonObject | null): string | null {
  const [name, limit, value] = [text(bound, "bound"), number(bound, "limit"), number(bound, "value")];
  if (name === null || limit === null || value === null) return null;
  const unit = text(bound, "unit");
  return `${name} ${value}/${limit}${unit === null ? "" : ` ${unit}`}`;
}

function choiceText(choice: JsonObject | null): string | null {
  const by = text(choice, "by");
  if (by === null) return null;
  const decided = object(choice?.["decidedBy"]);
  const skipped = texts(choice, "skipped");
  return [
    by,
    decided === null ? "" : `(${text(decided, "criterion")})`,
    skipped.length === 0 ? "" : `without ${skipped.join(",")}`,
  ]
    .filter((word) => word !== "")
    .join(" ");
}
