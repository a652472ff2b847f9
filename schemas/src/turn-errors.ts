/** How a turn can end badly by what happened inside the sandbox. What the kernel refuses afterwards is in its own table. */
import { defineErrors, type ErrorTable } from "./error.ts";

export type TurnCode =
  | "TURN_HANDLER_THREW"
  | "TURN_HANDLER_MISSING"
  | "TURN_RETURNED_PROMISE"
  | "TURN_EFFECT_INVALID"
  | "TURN_EFFECTS_TOO_LARGE"
  | "TURN_DEADLINE"
  | "TURN_MEMORY"
  | "SANDBOX_ANSWER_INVALID";

export const turnErrors: ErrorTable<TurnCode> = defineErrors({
  TURN_HANDLER_THREW: {
    message: "the handler threw: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "mend the handler; refuse a call with refuse(code, message) instead of throwing",
    exit: "failed",
  },
  TURN_HANDLER_MISSING: {
    message: "the capsule has no handler for {what}",
    fault: "capsule",
    retry: false,
    remedy:
      "add the handler to capsule({...}) (batches for a subscription with batch, else events), or take the topic out of bus.subscribes in manifest.json",
    exit: "failed",
  },
  TURN_RETURNED_PROMISE: {
    message: "the handler returned a promise; handlers are synchronous",
    fault: "capsule",
    retry: false,
    remedy: "make the handler synchronous; what takes time is a turn.call whose answer is a later turn",
    exit: "failed",
  },
  TURN_EFFECT_INVALID: {
    message: "an effect is not what the kernel can keep: {reason}",
    fault: "capsule",
    retry: false,
    remedy:
      "hand over plain JSON: no undefined, NaN, -0, functions or class instances, nested at most 64 deep",
    exit: "failed",
  },
  TURN_EFFECTS_TOO_LARGE: {
    message: "the effects of the turn take {size} bytes; at most {limit} are allowed",
    fault: "capsule",
    retry: false,
    remedy: "write smaller values and spread the work over several turns with a timer",
    exit: "failed",
  },
  TURN_DEADLINE: {
    message: "the turn was stopped after {limitMs} ms",
    fault: "capsule",
    retry: false,
    remedy:
      "look for a loop; else ask for more with runtime.timeout_ms in manifest.json, which policy.json bounds",
    exit: "timeout",
  },
  TURN_MEMORY: {
    message: "the turn was stopped at its memory limit of {limitMb} MB",
    fault: "capsule",
    retry: false,
    remedy: "keep less in memory; else ask for more with runtime.memory_limit_mb, which policy.json bounds",
    exit: "failed",
  },
  SANDBOX_ANSWER_INVALID: {
    message: "the capsule answered its sandbox with something that is no result: {reason}",
    fault: "capsule",
    retry: false,
    remedy:
      "build the bundle with vnes capsule build; a bundle that replaces JSON or its own deliver cannot run",
    exit: "failed",
  },
});
