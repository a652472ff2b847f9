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
