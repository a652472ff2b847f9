/**
 * What becomes of a finished turn: a record, effects without a record, or nothing. Decided from the delivery, the
 * sandbox's answer, the rules of the capsule and the shard's state; carried out by `runtime/shard/turn-settlement.ts`.
 */
import type { Delivery, Effect, ErrorDetails, TurnResult, VnesError } from "@vnes/schemas";
import type { TurnInput } from "../ledger/record.ts";
import type { ShardState } from "../ledger/shard-state.ts";
import { isDurable, type Topics } from "./topics.ts";
import { refusedEffect, type TurnRules } from "./turn-check.ts";

const MAX_MESSAGE_CHARS = 1_000;
/** A key is as long at most. */
const MAX_DETAIL_CHARS = 512;

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details?: ErrorDetails;
  /** Where in the capsule, for the log alone. */
  readonly place?: string;
}

/** `poisoned`: the sandbox's cache holds writes that the ledger does not, and must be dropped. */
export type TurnVerdict =
  /** `isStale`, by now. */
  | { readonly kind: "stale"; readonly poisoned: boolean }
  | {
      readonly kind: "done";
      readonly poisoned: false;
      readonly effects: readonly Effect[];
      readonly recorded: boolean;
    }
  | {
      readonly kind: "failed";
      readonly poisoned: boolean;
      readonly failure: Failure;
      readonly recorded: boolean;
    };

export function judgeTurn(
  turn: { readonly input: TurnInput; readonly delivery: Delivery },
  result: Exclude<TurnResult, { kind: "needKeys" }>,
  rules: TurnRules,
  state: ShardState,
): TurnVerdict {
  const { input, delivery } = turn;
  if (isStale(delivery, state)) {
    return { kind: "stale", poisoned: result.kind === "done" && writes(result.effects) };
  }
  // A failed ephemeral delivery is counted and answered only.
  const recorded = input.from !== "ephemeral" && input.from !== "control";
  if (result.kind === "failed") {
    // The key is gone all the same (`dropExpired`), and the sandbox does not know it.
    const poisoned = delivery.kind === "expiry";
    return { kind: "failed", poisoned, failure: result, recorded };
  }
  const { effects } = result;
  const current = delivery.kind === "call" ? delivery : undefined;
  const refused = refusedEffect(effects, rules, state, current);
  if (refused !== undefined) {
    const poisoned = delivery.kind === "expiry" || writes(effects);
    return { kind: "failed", poisoned, failure: bounded(refused), recorded };
  }
  const isPassing = isWorthNoRecord(input, delivery, effects, rules.topics);
  return { kind: "done", poisoned: false, effects, recorded: !isPassing };
}

/**
 * A topic or a capability that a turn named may be as long as its effects, and is repeated by its record, its answer and its dead letter:
 * together more than a ledger or a messenger takes at once.
 */
function bounded({ code, message, details }: VnesError): Failure {
  const short = Object.entries(details).map(([name, value]) => [
    name,
    typeof value === "string" ? cut(value, MAX_DETAIL_CHARS) : value,
  ]);
  return {
    code,
    message: cut(message, MAX_MESSAGE_CHARS),
    details: Object.fromEntries(short) as ErrorDetails,
  };
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}... (${text.length} characters)`;
}

/** A timer that was replaced or cancelled, a key that was written again, or an answer to a call that has ended: nothing is to become of it. */
export function isStale(delivery: Delivery, state: ShardState): boolean {
  if (delivery.kind === "timer") return state.timers.get(delivery.id)?.at !== delivery.dueAt;
  if (delivery.kind === "expiry") return state.versions.get(delivery.key) !== delivery.version;
  if (delivery.kind === "answer") return !state.pending.has(delivery.callId);
  return false;
}

/** Ephemeral input, no durable effect: nothing would be different had it been lost. */
function isWorthNoRecord(
  input: TurnInput,
  delivery: Delivery,
  effects: readonly Effect[],
  topics: Topics,
): boolean {
  if (input.from !== "control" && input.from !== "ephemeral" && input.from !== "kernel") return false;
  if (delivery.kind === "start" || delivery.kind === "answer" || delivery.kind === "timer") return false;
  let answered = delivery.kind !== "call";
  for (const effect of effects) {
    if (effect.do === "answer" && delivery.kind === "call" && effect.callId === delivery.callId)
      answered = true;
    else if (effect.do !== "publish" || isDurableTopic(effect.topic, topics)) return false;
  }
  return answered;
}

function isDurableTopic(name: string, topics: Topics): boolean {
  const topic = topics.get(name);
  return topic !== undefined && isDurable(topic);
}

function writes(effects: readonly Effect[]): boolean {
  return effects.some((effect) => effect.do === "write" || effect.do === "delete");
}
