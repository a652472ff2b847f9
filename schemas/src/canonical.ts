/** Canonical JSON (RFC 8785): the bytes that are hashed and signed. */
import { canonicalize } from "json-canonicalize";

const encoder = new TextEncoder();

/**
 * `value` is a JSON value, a document type included; fields that are undefined are left out. A value that has no one
 * canonical form (NaN, half a surrogate pair, a key `toJSON`) is a bug of the caller and throws.
 */
export function canonicalJson(value: unknown): Uint8Array {
  // The copy breaks shared references, which json-canonicalize 3.0.1 takes for circles: `signature` repeats an item
  // of `signatures`.
  const copy: unknown = JSON.parse(JSON.stringify(value, assertCanonical));
  return encoder.encode(canonicalize(copy));
}

function assertCanonical(key: string, value: unknown): unknown {
  // json-canonicalize hands an object that has such a key to JSON.stringify, which does not sort.
  if (key === "toJSON" || key === "__proto__") throw new TypeError(`no canonical JSON with a key ${key}`);
  if (typeof value === "number" && !Number.isFinite(value))
    throw new TypeError(`no canonical JSON of ${value}`);
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) {
    throw new TypeError("no canonical JSON of half a surrogate pair");
  }
  return value;
}
