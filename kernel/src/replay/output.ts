/**
 * What a turn came to, as recorded and as it came again, and the first place where they differ.
 *
 * R1. Two outputs are equal when their JSON is equal byte for byte: the order of effects and of members counts, because
 *     whoever reads them may depend on it.
 * R2. What the kernel or the machine decided about a turn (a deadline, a dead host, a refused effect) is not the capsule's
 *     doing: it is applied as recorded and not run. What the handler itself brought about is run and has to come again.
 */
import type { Effect, Json, JsonObject, TurnResult } from "@vnes/schemas";
import type { Outcome, TurnRecord } from "../ledger/record.ts";

export interface Output {
  readonly outcome: Outcome;
  readonly effects: readonly Effect[];
}

export interface Difference {
  readonly shard: string;
  /** Of the turn's record. */
  readonly seq: number;
  readonly at: number;
  /** Image that ran again. */
  readonly image: string;
  /** What the turn was run for: `start`, `event counter.added.v1`, `call counter.add`, `timer tick`. */
  readonly delivery: string;
  /** JSON pointer into `{ outcome, effects }`. */
  readonly pointer: string;
  /** What it is about, for people: `write n/a`, `publish counter.added.v1`, `outcome`. */
  readonly what: string;
  /** The capsule's key where the difference is in a write or a delete. */
  readonly key: string | null;
  /** Null where one of them has nothing there. */
  readonly recorded: Json;
  readonly replayed: Json;
}

/** Failures that a handler brings about by itself, the same in every sandbox. */
const OWN_FAILURES: ReadonlySet<string> = new Set([
  "TURN_HANDLER_THREW",
  "TURN_HANDLER_MISSING",
  "TURN_RETURNED_PROMISE",
  "TURN_EFFECT_INVALID",
  "TURN_EFFECTS_TOO_LARGE",
]);

/** R2: false for a turn whose end was not the handler's doing. */
export function isRunAgain({ outcome }: TurnRecord): boolean {
  return outcome === "ok" || OWN_FAILURES.has(outcome.failed);
}

/** True for an end of a turn that says nothing about the capsule: a busy machine can bring it about. */
export function isStopped(result: TurnResult): boolean {
  return result.kind === "failed" && !OWN_FAILURES.has(result.code);
}

/** What a result would have been recorded as. `recorded`: a failed call is answered by the kernel, in the same way again. */
export function outputOf(result: Exclude<TurnResult, { kind: "needKeys" }>, recorded: Output): Output {
  if (result.kind === "done") return { outcome: "ok", effects: result.effects };
  const outcome = { failed: result.code, message: result.message };
  const isSame = JSON.stringify(outcome) === JSON.stringify(recorded.outcome);
  return { outcome, effects: isSame ? recorded.effects : [] };
}

/** R1: the text that is compared, and that a receipt hashes. */
export function outputText({ outcome, effects }: Output): string {
  return JSON.stringify({ outcome, effects });
}

/**
 * What a sandbox says of a turn that comes to the recorded end again, when it says nothing besides. Empty for a turn that
 * failed: its result is looked at.
 */
export function expectedResult({ seq, outcome, effects }: TurnRecord): string {
  return outcome === "ok" ? JSON.stringify({ turn: seq, kind: "done", effects }) : "";
}

/** R1, without writing either of them out. */
export function isSameOutput(a: Output, b: Output): boolean {
  return (
    isSameJson(a.outcome as Json, b.outcome as Json) &&
    isSameJson(a.effects as unknown as Json, b.effects as unknown as Json)
  );
}

/** Would JSON.stringify write the same: members in the same order included. */
function isSameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => isSameJson(item as Json, b[index] as Json));
  }
  const names = Object.keys(a);
  const others = Object.keys(b);
  if (names.length !== others.length) return false;
  return names.every((name, index) => {
    return (
      name === others[index] && isSameJson((a as JsonObject)[name] as Json, (b as JsonObject)[name] as Json)
    );
  });
}

type Place = Pick<Difference, "pointer" | "what" | "key" | "recorded" | "replayed">;

/** The first place where two outputs of unequal text differ. */
export function firstPlace(recorded: Output, replayed: Output): Place {
  if (JSON.stringify(recorded.outcome) !== JSON.stringify(replayed.outcome)) {
    const [was, is] = [recorded.outcome as Json, replayed.outcome as Json];
    return { pointer: "/outcome", what: "outcome", key: null, recorded: was, replayed: is };
  }
  const count = Math.max(recorded.effects.length, replayed.effects.length);
  for (let index = 0; index < count; index++) {
    const [was, is] = [recorded.effects[index], replayed.effects[index]];
    if (JSON.stringify(was) === JSON.stringify(is)) continue;
    const at = `/effects/${index}`;
    const named = was ?? (is as Effect);
    const isSameThing = was !== undefined && is !== undefined && nameOf(was) === nameOf(is);
    const key = named.do === "write" || named.do === "delete" ? named.key : null;
    if (!isSameThing)
      return { pointer: at, what: nameOf(named), key, recorded: json(was), replayed: json(is) };
    const inside = descend(json(was), json(is), at);
    return { ...inside, what: nameOf(named), key };
  }
  throw new Error("the outputs do not differ");
}

function nameOf(effect: Effect): string {
  switch (effect.do) {
    case "write":
    case "delete":
      return `${effect.do} ${effect.key}`;
    case "publish":
      return `publish ${effect.topic}`;
    case "call":
      return `call ${effect.capability}.${effect.method}`;
    case "read":
      return `read ${effect.capsule}`;
    case "answer":
      return `answer ${effect.callId}`;
    case "setTimer":
    case "cancelTimer":
      return `${effect.do} ${effect.id}`;
  }
}

/** Goes down as long as exactly one member differs, so that what is shown is the difference and not everything around it. */
function descend(
  recorded: Json,
  replayed: Json,
  pointer: string,
): { readonly pointer: string; readonly recorded: Json; readonly replayed: Json } {
  const here = { pointer, recorded, replayed };
  if (!isPlain(recorded) || !isPlain(replayed)) return here;
  if (Array.isArray(recorded) !== Array.isArray(replayed)) return here;
  const [was, is] = [members(recorded), members(replayed)];
  if (JSON.stringify(was.map(([name]) => name)) !== JSON.stringify(is.map(([name]) => name))) return here;
  const differing = was.flatMap(([name, value], index) => {
    const other = is[index]?.[1] as Json;
    return JSON.stringify(value) === JSON.stringify(other) ? [] : [{ name, value, other }];
  });
  const [only] = differing;
  if (only === undefined || differing.length > 1) return here;
  const name = only.name.replaceAll("~", "~0").replaceAll("/", "~1");
  return descend(only.value, only.other, `${pointer}/${name}`);
}

function isPlain(value: Json): value is Extract<Json, object> {
  return typeof value === "object" && value !== null;
}

function members(value: Extract<Json, object>): readonly (readonly [name: string, value: Json])[] {
  return Object.entries(value) as [string, Json][];
}

function json(effect: Effect | undefined): Json {
  return effect === undefined ? null : (effect as unknown as Json);
}
