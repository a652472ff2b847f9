/** Canonical JSON (RFC 8785): the bytes that are hashed and signed. */
import { canonicalize } from "json-canonicalize";
import type { Json } from "./json.ts";

const encoder = new TextEncoder();

export function canonicalJson(value: Json): Uint8Array {
  return encoder.encode(canonicalize(value));
}
