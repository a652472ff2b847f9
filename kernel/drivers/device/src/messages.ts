/** What the kernel and a device host say to each other, as messages of the host protocol (`docs/host-protocol.md`). */
import type { Answer, ErrorDetails, Json, LogLine } from "@vnes/schemas";

export type ToDevice =
  /** First, once. The bundle comes from the verified image; the host reads no file of the capsule. */
  | {
      readonly do: "start";
      readonly instance: string;
      readonly entry: string;
      readonly bundle: string;
      readonly powers: readonly string[];
      readonly config: Json;
      /** Where the node's long-term key is kept. The key itself is in no message. */
      readonly keyFile: string;
    }
  | {
      readonly do: "call";
      readonly id: number;
      readonly capability: string;
      readonly method: string;
      readonly input: Json;
    }
  | { readonly do: "meters"; readonly id: number }
  /** Every `BEAT_MS`: a driver whose kernel says nothing falls silent (`lease.ts`). */
  | { readonly do: "beat" }
  | { readonly do: "stop" };

export type FromDevice =
  | { readonly did: "start" }
  | {
      readonly did: "fail";
      readonly code: string;
      readonly message: string;
      readonly details: ErrorDetails;
    }
  | { readonly did: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly did: "publish"; readonly topic: string; readonly key: string; readonly event: Json }
  | { readonly did: "log"; readonly line: LogLine }
  | { readonly did: "meters"; readonly id: number; readonly memoryBytes: number; readonly cpuMs: number }
  | { readonly did: "stop" };

/** A host that was taken over can say anything; null for what is none of the above. */
export function parseFromDevice(value: unknown): FromDevice | null {
  if (typeof value !== "object" || value === null) return null;
  const message = value as { readonly [name: string]: unknown };
  const id = Number.isSafeInteger(message["id"]);
  const text = (name: string) => typeof message[name] === "string";
  const is = (() => {
    switch (message["did"]) {
      case "start":
      case "stop":
        return true;
      case "fail":
        return text("code") && text("message") && isDetails(message["details"]);
      case "answer":
        return id && isAnswer(message["answer"]);
      case "publish":
        return text("topic") && text("key") && message["event"] !== undefined;
      case "log":
        return isLogLine(message["line"]);
      case "meters":
        return id && typeof message["memoryBytes"] === "number" && typeof message["cpuMs"] === "number";
      default:
        return false;
    }
  })();
  return is ? (message as unknown as FromDevice) : null;
}

export function isAnswer(value: unknown): value is Answer {
  if (typeof value !== "object" || value === null) return false;
  const answer = value as { readonly [name: string]: unknown };
  if (answer["ok"] === true) return answer["value"] !== undefined;
  return (
    answer["ok"] === false && typeof answer["code"] === "string" && typeof answer["message"] === "string"
  );
}

export function isDetails(value: unknown): value is ErrorDetails {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isLogLine(value: unknown): value is LogLine {
  if (typeof value !== "object" || value === null) return false;
  const line = value as { readonly [name: string]: unknown };
  const levels: readonly unknown[] = ["debug", "info", "warn", "error"];
  return levels.includes(line["level"]) && typeof line["message"] === "string";
}
