/** Canonical JSON (RFC 8785): the bytes that are hashed and signed. */
import { canonicalize } from "json-canonicalize";

const encoder = new TextEncoder();

/**
 * `value` is a JSON value, a document type included; fields that are undefined are left out. A value that has no one
 * canonical form (NaN, half a surrogate pair, a key `toJSON`) is a bug of the caller and throws.
 */
export function canonicalJson(value: unknown): Uint8Array {
  const copy = copied(value);
  if (copy === undefined) throw new TypeError(`no canonical JSON of ${typeof value}`);
  return encoder.encode(canonicalize(copy));
}

/**
 * Breaks shared references, which json-canonicalize 3.0.1 takes for circles: `signature` repeats an item of `signatures`. Not by way of
 * text: JSON.parse of Node 24 reads a name that ends in an escape as one that ends in a backslash, once it has met an object of that
 * shape, and two documents would have the same bytes to sign.
 */
function copied(value: unknown): unknown {
  switch (typeof value) {
    case "string":
      return wellFormed(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`no canonical JSON of ${value}`);
      return value + 0;
    case "boolean":
      return value;
    case "object":
      if (value === null) return null;
      return Array.isArray(value) ? Array.from(value, (item) => copied(item) ?? null) : copiedObject(value);
    case "bigint":
      throw new TypeError("no canonical JSON of a BigInt");
    default:
      return undefined;
  }
}

function copiedObject(value: object): object {
  // json-canonicalize hands an object that has such a name to JSON.stringify, which does not sort.
  if ("toJSON" in value || Object.hasOwn(value, "__proto__"))
    throw new TypeError("no canonical JSON with a key toJSON or __proto__");
  const copy: { [name: string]: unknown } = {};
  for (const [name, member] of Object.entries(value)) {
    const kept = copied(member);
    if (kept !== undefined) copy[wellFormed(name)] = kept;
  }
  return copy;
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new TypeError("no canonical JSON of half a surrogate pair");
  return text;
}
