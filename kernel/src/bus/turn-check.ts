/**
 * Judges what a turn asked for before any of it is committed: against the manifest (what was declared), the bindings
 * (what was granted) and the schemas (what fits). One effect that is refused fails the whole turn.
 */
import {
  type Effect,
  isOptionalTopic,
  type Json,
  type Manifest,
  neededRequirements,
  type VnesError,
} from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import { type OpenCall, type ShardState, sizeOf, sizeOfKey, sizeOfWrite } from "../ledger/shard-state.ts";
import { type Capabilities, providedBy } from "./capabilities.ts";
import { roughSize } from "./json-size.ts";
import { refusedKey } from "./key-check.ts";
import { refusedRead } from "./read-check.ts";
import { publishProblem, type Topics } from "./topics.ts";

/** A turn that asks for more is a loop, not a plan. */
const MAX_EFFECTS_PER_TURN = 10_000;
const MAX_TIMER_ID_LENGTH = 256;
/** A million sessions with a timer each, and no more. */
const MAX_TIMERS_PER_SHARD = 1_048_576;
/** A call nobody answers is a leak; a day is the longest anybody waits. */
const MAX_TIMEOUT_MS = 86_400_000;

/** What a key or timer counts beside its name and value (`sizeOf`), and more. */
const MOST_BESIDE_VALUE = 256;

export interface TurnRules {
  readonly manifest: Manifest;
  readonly topics: Topics;
  readonly capabilities: Capabilities;
  /** Names of the capabilities the manifest requires, without ranges. */
  readonly required: ReadonlySet<string>;
  /** Capsules of the node, other than this one, whose manifests own a prefix of the key: for the name in a refusal. */
  ownersOf(key: string): readonly string[];
  /** Most that keys and timers of the shard may come to (`ShardState.size`). */
  readonly maxStateSize: number;
}

/** The first effect that is refused, as an error; undefined when all may be committed. */
export function refusedEffect(
  effects: readonly Effect[],
  rules: TurnRules,
  state: ShardState,
  /** The call this turn was delivered, if it was one: it may be answered though the state does not know it yet. */
  current: (OpenCall & { readonly callId: string }) | undefined,
): VnesError | undefined {
  if (effects.length > MAX_EFFECTS_PER_TURN) {
    const details = { count: effects.length, limit: MAX_EFFECTS_PER_TURN };
    return kernelErrors.create("TURN_EFFECTS_TOO_MANY", details);
  }
  const tooLarge = refusedGrowth(effects, rules, state);
  if (tooLarge !== undefined) return tooLarge;
  // A turn that answers once, as nearly all do, needs no set to say that it did not answer twice.
  const answered = answersIn(effects) <= 1 ? undefined : new Set<string>();
  for (const effect of effects) {
    const refused = refuse(effect, rules, state, current, answered);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function answersIn(effects: readonly Effect[]): number {
  let answers = 0;
  for (const effect of effects) if (effect.do === "answer") answers++;
  return answers;
}

/** Keys and timers live in the kernel's memory, so a capsule's own memory limit does not bound them. */
function refusedGrowth(
  effects: readonly Effect[],
  { maxStateSize }: TurnRules,
  state: ShardState,
): VnesError | undefined {
  if (surelyFits(effects, maxStateSize - state.size)) return undefined;
  let added = 0;
  for (const effect of effects) {
    if (effect.do === "write") added += sizeOfWrite(effect);
    else if (effect.do === "setTimer") added += sizeOf(effect.id, effect.payload);
    else if (effect.do === "delete" || effect.do === "cancelTimer") added -= freed(effect, state);
  }
  // A turn that only frees is always welcome.
  if (added <= 0 || state.size + added <= maxStateSize) return undefined;
  return kernelErrors.create("TURN_STATE_TOO_LARGE", { size: state.size + added, limit: maxStateSize });
}

/** Without writing any value out; false when it is not sure. */
function surelyFits(effects: readonly Effect[], room: number): boolean {
  let added = 0;
  for (const effect of effects) {
    if (effect.do === "write") added += mostSize(effect.key, effect.value, room);
    else if (effect.do === "setTimer") added += mostSize(effect.id, effect.payload, room);
    if (added > room) return false;
  }
  return true;
}

/** A value's JSON is at most six times its rough size, texts within it escaped and numbers with every digit. */
function mostSize(name: string, value: Json, most: number): number {
  return name.length + MOST_BESIDE_VALUE + 6 * roughSize(value, most);
}

function freed(effect: Extract<Effect, { do: "delete" | "cancelTimer" }>, state: ShardState): number {
  if (effect.do === "delete") return sizeOfKey(state, effect.key);
  const timer = state.timers.get(effect.id);
  return timer === undefined ? 0 : sizeOf(effect.id, timer.payload);
}

function refuse(
  effect: Effect,
  rules: TurnRules,
  state: ShardState,
  current: (OpenCall & { readonly callId: string }) | undefined,
  answered: Set<string> | undefined,
): VnesError | undefined {
  switch (effect.do) {
    case "write":
    case "delete":
      return refusedKey(effect, rules, state);
    case "publish":
      return refusedPublish(effect, rules);
    case "call":
      return refusedCall(effect, rules);
    case "read":
      return refusedRead(effect, rules.manifest, MAX_TIMEOUT_MS);
    case "answer":
      return refusedAnswer(effect, rules, state, current, answered);
    case "setTimer":
    case "cancelTimer":
      return refusedTimer(effect, state);
  }
}

function refusedPublish(
  effect: Extract<Effect, { do: "publish" }>,
  { manifest, topics }: TurnRules,
): VnesError | undefined {
  const topic = topics.get(effect.topic);
  // Nobody is there to hear it: the router drops it and counts.
  if (topic === undefined && isOptionalTopic(manifest, effect.topic)) return undefined;
  if (topic === undefined) return kernelErrors.create("TURN_TOPIC_UNKNOWN", { topic: effect.topic });
  if (!(manifest.bus?.publishes ?? []).includes(effect.topic)) {
    return kernelErrors.create("TURN_TOPIC_NOT_DECLARED", { topic: effect.topic });
  }
  const problem = publishProblem(topic, effect.key, effect.event);
  if (problem === undefined) return undefined;
  const details = { topic: effect.topic, pointer: problem.pointer || "/", problem: problem.message };
  return kernelErrors.create("TURN_EVENT_INVALID", details);
}

function refusedCall(
  effect: Extract<Effect, { do: "call" }>,
  { capabilities, required, manifest }: TurnRules,
): VnesError | undefined {
  const { capability, method } = effect;
  if (!required.has(capability)) return kernelErrors.create("TURN_CAPABILITY_NOT_REQUIRED", { capability });
  const invalid = (pointer: string, problem: string): VnesError =>
    kernelErrors.create("TURN_CALL_INVALID", { capability, method, pointer, problem });
  if (!Number.isSafeInteger(effect.timeoutMs) || effect.timeoutMs < 1 || effect.timeoutMs > MAX_TIMEOUT_MS) {
    return invalid("/timeoutMs", `a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}`);
  }
  const definition = capabilities.get(capability)?.methods.get(method);
  // Nobody is there to ask: the router answers that.
  if (!capabilities.has(capability) && !isNeeded(manifest, capability)) return undefined;
  if (definition === undefined) return invalid("/", "the provider has no such method");
  const [problem] = definition.input(effect.input);
  return problem === undefined ? undefined : invalid(problem.pointer || "/", problem.message);
}

function isNeeded(manifest: Manifest, capability: string): boolean {
  return neededRequirements(manifest).some((one) => one.split("@")[0] === capability);
}

function refusedAnswer(
  effect: Extract<Effect, { do: "answer" }>,
  { capabilities, manifest }: TurnRules,
  state: ShardState,
  current: (OpenCall & { readonly callId: string }) | undefined,
  answered: Set<string> | undefined,
): VnesError | undefined {
  const { callId, answer } = effect;
  const open = current?.callId === callId ? current : state.open.get(callId);
  if (open === undefined || answered?.has(callId) === true) {
    return kernelErrors.create("TURN_ANSWER_UNKNOWN_CALL", { callId });
  }
  answered?.add(callId);
  if (!answer.ok) return undefined;
  const provided = providedBy(capabilities.get(open.capability), manifest.id);
  const [problem] = provided?.methods.get(open.method)?.output(answer.value) ?? [];
  if (problem === undefined) return undefined;
  const { capability, method } = open;
  const details = { capability, method, pointer: problem.pointer || "/", problem: problem.message };
  return kernelErrors.create("TURN_ANSWER_INVALID", details);
}

function refusedTimer(
  effect: Extract<Effect, { do: "setTimer" | "cancelTimer" }>,
  state: ShardState,
): VnesError | undefined {
  const invalid = (problem: string): VnesError =>
    kernelErrors.create("TURN_TIMER_INVALID", { id: effect.id.slice(0, MAX_TIMER_ID_LENGTH), problem });
  if (effect.id.length === 0 || effect.id.length > MAX_TIMER_ID_LENGTH)
    return invalid("its id is empty or too long");
  if (effect.do === "cancelTimer") return undefined;
  if (!Number.isSafeInteger(effect.at) || effect.at < 0) return invalid("its time is not a whole number");
  if (state.timers.size >= MAX_TIMERS_PER_SHARD && !state.timers.has(effect.id))
    return invalid("too many timers");
  return undefined;
}
