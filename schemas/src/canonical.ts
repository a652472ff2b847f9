/** Canonical JSON (RFC 8785): the bytes that are hashed and signed. */
import { canonicalize } from "json-canonicalize";

const encoder = new TextEncoder();

/** `value` is a JSON value, a document type included. */
export function canonicalJson(value: unknown): Uint8Array {
  return encoder.encode(canonicalize(value));
}
