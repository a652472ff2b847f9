/** One turn of a branch as people read it: what it was given, how it ended, and what it would have done. */
import type { BranchTurn } from "@vnes/kernel";
import type { Effect, Json } from "@vnes/schemas";
import type { Output } from "./output.ts";
import { harmless, instant } from "./text.ts";
import { brief } from "./values.ts";

export function branchTurnText(output: Output, { seq, delivery, outcome, effects, fed }: BranchTurn): string {
  const from = fed === null ? "" : ` (record ${fed} of the parent)`;
  const ended =
    outcome === "ok" ? "" : `\n  ${output.paint("red", outcome.failed)}  ${harmless(outcome.message)}`;
  const lines = effects.map((effect) => `\n  ${harmless(effectText(effect))}`);
  return `${output.paint("bold", `record ${seq}`)}  ${harmless(deliveryText(delivery))}${from}${ended}${lines.join("")}`;
}

function deliveryText(delivery: BranchTurn["delivery"]): string {
  switch (delivery.kind) {
    case "start":
      return "start";
    case "event":
      return `event ${delivery.topic} ${brief(delivery.event)}`;
    case "batch":
      return `${delivery.events.length} events ${delivery.topic}`;
    case "call":
      return `call ${delivery.capability}.${delivery.method} ${brief(delivery.input)}`;
    case "answer":
      return `answer ${delivery.tag}`;
    case "timer":
      return `timer ${delivery.id}`;
    case "expiry":
      return `expiry of ${delivery.key}`;
  }
}

function effectText(effect: Effect): string {
  switch (effect.do) {
    case "write":
      return `write ${effect.key} ${brief(effect.value)}`;
    case "delete":
      return `delete ${effect.key}`;
    case "publish":
      return `would publish to ${effect.topic} ${brief(effect.event)}`;
    case "call":
      return `would call ${effect.capability}.${effect.method} ${brief(effect.input)}`;
    case "read":
      return `would read keys of ${effect.capsule}`;
    case "answer":
      return `answer ${brief(effect.answer as unknown as Json)}`;
    case "setTimer":
      return `set timer ${effect.id} for ${instant(effect.at)}`;
    case "cancelTimer":
      return `cancel timer ${effect.id}`;
  }
}
