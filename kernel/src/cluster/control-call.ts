/** A person's call whose provider is on another node: one request and its answer, kept nowhere, as all such calls are. */
import { type Answer, isVnesError, type Json } from "@vnes/schemas";

export const CALL_SERVICE = "call";

export interface RemoteCall {
  readonly capability: string;
  readonly method: string;
  readonly input: Json;
  readonly timeoutMs: number;
}

export function encodeCall(call: RemoteCall): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(call));
}

/** Undefined for anything else. */
export function parseCall(bytes: Uint8Array): RemoteCall | undefined {
  const { capability, method, input, timeoutMs } = parse(bytes) as Partial<RemoteCall>;
  const isCall = typeof capability === "string" && typeof method === "string" && input !== undefined;
  if (!isCall || !Number.isSafeInteger(timeoutMs)) return undefined;
  return { capability, method, input, timeoutMs: timeoutMs as number };
}

export function parseAnswer(bytes: Uint8Array): Answer {
  const answer = parse(bytes) as Partial<Answer>;
  if (answer.ok === true || answer.ok === false) return answer as Answer;
  return { ok: false, code: "MESSENGER_REFUSED", message: "the other node's answer cannot be read" };
}

/** The answer when the other node gave none. */
export function unreached(error: unknown): Answer {
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, code: isVnesError(error) ? error.code : "MESSENGER_REFUSED", message };
}

function parse(bytes: Uint8Array): object {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
