/** A call to a capability from the command line; its refusal becomes the command's error. */
import type { Answer, ErrorDetails, Json, JsonObject } from "@vnes/schemas";
import { CALL_TIMEOUT_MS } from "./control/bounds.ts";
import type { ControlClient } from "./control/client.ts";
import { cliErrors } from "./errors.ts";

export async function ask(
  client: ControlClient,
  capability: string,
  method: string,
  input: Json,
  timeoutMs: number = CALL_TIMEOUT_MS,
): Promise<Json> {
  const params: JsonObject = { capability, method, input, timeout_ms: timeoutMs };
  const answer = (await client.request("call", params)) as unknown as Answer;
  if (answer.ok) return answer.value;
  const { code, message, details } = answer;
  if (code === "SESSION_UNKNOWN") {
    const session = (input as JsonObject)["sessionId"] ?? "?";
    throw cliErrors.create("SESSION_NOT_FOUND", { session });
  }
  // The kernel knows which methods there are; without them it was the capsule that knew no handler.
  if (code === "CALL_METHOD_UNKNOWN" && details === undefined)
    throw cliErrors.create("CALL_HANDLER_MISSING", { capability, method });
  // The kernel's own codes keep their exit and remedy; a capsule's are its own, and are told as they came.
  const { tableError } = await import("./error-tables.ts");
  throw (
    tableError(code, message, (details ?? {}) as ErrorDetails) ??
    cliErrors.create("CALL_REFUSED", { capability, method, code, reason: message })
  );
}
