/** What a client did and saw: one call from outside, with the times of its own clock. */
import type { Answer, Json } from "@vnes/schemas";

export interface Operation {
  /** Who did it; one client does one thing at a time. */
  readonly client: string;
  /** `<capability>.<method>` */
  readonly name: string;
  readonly input: Json;
  readonly invokedAt: number;
  /** Undefined: it never ended for the client; it may have happened or may still happen. */
  readonly end?: {
    readonly at: number;
    readonly answer: Answer;
    /** Records each shard durably had at that moment, where the run can know. */
    readonly durable?: ReadonlyMap<string, number>;
  };
}

/** Codes with which nothing of the call was kept, whoever gave it. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "TURN_DEADLINE",
  "TURN_KILLED_HOST",
  "TURN_HANDLER_THREW",
  "CALL_INBOX_FULL",
  "CALL_CAPABILITY_UNAVAILABLE",
  "CAPSULE_SUSPENDED",
  "LEDGER_DISK_FULL",
]);

/** `direct`: the capsule that was called answers itself, within the turn of the call. */
export function effectOf({ end }: Operation, direct: boolean): "happened" | "did not happen" | "unknown" {
  if (end === undefined) return "unknown";
  if (end.answer.ok) return "happened";
  return direct && WITHOUT_EFFECT.has(end.answer.code) ? "did not happen" : "unknown";
}
