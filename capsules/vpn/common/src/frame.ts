/** What all frames of the protocol have in common (docs/protocol.md). */

export const FRAME_VERSION = 1;

const SESSION_ID = /^ses_[A-Za-z0-9]{8,40}$/;
const NONCE = /^[A-Za-z0-9_-]{8,64}$/;

export type Fields = { readonly [name: string]: unknown };

export function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

export function isSessionId(value: unknown): value is string {
  return typeof value === "string" && SESSION_ID.test(value);
}

export function isNonce(value: unknown): value is string {
  return typeof value === "string" && NONCE.test(value);
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

const REASON = /^[A-Z][A-Z0-9_]{0,63}$/;

export function isReason(value: unknown): value is string {
  return typeof value === "string" && REASON.test(value);
}
