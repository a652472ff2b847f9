/**
 * What one node asks another and nobody has to keep: a person's call, a capsule's read of another's keys. Each is one
 * request and its answer, as JSON.
 */
import { type Answer, isVnesError, type Json } from "@vnes/schemas";
import type { StateRequest } from "../ledger/state-request.ts";

export const QUESTION_SERVICE = "ask";

export interface RemoteCall {
  readonly capability: string;
  readonly method: string;
  readonly input: Json;
  readonly timeoutMs: number;
}

export interface RemoteRead {
  readonly request: StateRequest;
  /** Id of the capsule that reads. */
  readonly reader: string;
}

export type Question = ({ readonly kind: "call" } & RemoteCall) | ({ readonly kind: "read" } & RemoteRead);

export function encodeQuestion(question: Question): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(question));
}

export function encodeAnswer(answer: Answer): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(answer));
}

/** Undefined for anything else. */
export function parseQuestion(bytes: Uint8Array): Question | undefined {
  const value = parse(bytes);
  if (value["kind"] === "call") {
    const { capability, method, input, timeoutMs } = value;
    const isCall = typeof capability === "string" && typeof method === "string" && input !== undefined;
    return isCall && Number.isSafeInteger(timeoutMs) ? (value as unknown as Question) : undefined;
  }
  if (value["kind"] !== "read" || typeof value["reader"] !== "string") return undefined;
  return isStateRequest(value["request"]) ? (value as unknown as Question) : undefined;
}

export function parseAnswer(bytes: Uint8Array): Answer {
  const answer = parse(bytes);
  if (answer["ok"] === true || answer["ok"] === false) return answer as unknown as Answer;
  return { ok: false, code: "MESSENGER_REFUSED", message: "the other node's answer cannot be read" };
}

/** The answer when the other node gave none. */
export function unreached(error: unknown): Answer {
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, code: isVnesError(error) ? error.code : "MESSENGER_REFUSED", message };
}

function isStateRequest(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { capsule, shard, keys, prefix, after, limit } = value as { readonly [key: string]: unknown };
  const isCount = (one: unknown): boolean => one === undefined || Number.isSafeInteger(one);
  const isText = (one: unknown): boolean => one === undefined || typeof one === "string";
  const areKeys = keys === undefined || (Array.isArray(keys) && keys.every((one) => typeof one === "string"));
  return (
    typeof capsule === "string" && areKeys && [shard, limit].every(isCount) && [prefix, after].every(isText)
  );
}

function parse(bytes: Uint8Array): { readonly [key: string]: unknown } {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    return typeof value === "object" && value !== null ? (value as { [key: string]: unknown }) : {};
  } catch {
    return {};
  }
}
