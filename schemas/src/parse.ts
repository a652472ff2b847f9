/** From bytes to a typed document, or every reason why not. Stored and received bytes come in through here. */
import type { ExecutionReceipt } from "./execution-receipt.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Manifest } from "./manifest.ts";
import type { NodeConfig } from "./node-config.ts";
import type { Policy } from "./policy.ts";
import type { PublicKeyDocument } from "./public-key.ts";
import type { Receipt } from "./receipt.ts";
import { type JsonBounds, parseStrictJson, pointerOf } from "./strict-json.ts";
import type { TopicDefinition } from "./topic.ts";
import type { TrustDocument } from "./trust.ts";
import { documentCheck, documentSchema, type Problem } from "./validator.ts";

export type Parsed<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Each byte of a hostile document can be a problem; beyond this size only the first is looked for. */
const EVERY_PROBLEM_BYTES = 128 * 1024;

function parser<T>(name: string, bounds?: JsonBounds): (bytes: Uint8Array) => Parsed<T> {
  const check = documentCheck(name);
  let open: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  return (bytes) => {
    const json = parseStrictJson(bytes, bounds);
    if (!json.ok) return { ok: false, problems: [json.problem] };
    const problems = check(json.value, bytes.length <= EVERY_PROBLEM_BYTES);
    if (problems.length > 0) return { ok: false, problems };
    open ??= openObjects(documentSchema(name));
    return { ok: true, value: json.value as T, warnings: unknownFields(json.value as JsonObject, open) };
  };
}

export const parseManifest: (bytes: Uint8Array) => Parsed<Manifest> = parser("manifest");
export const parseReceipt: (bytes: Uint8Array) => Parsed<Receipt> = parser("receipt");
/** Holds records: megabytes. */
const RECEIPT_BOUNDS: JsonBounds = { maxBytes: 64 * 1024 * 1024, maxDepth: 32 };
export const parseExecutionReceipt: (bytes: Uint8Array) => Parsed<ExecutionReceipt> = parser(
  "execution-receipt",
  RECEIPT_BOUNDS,
);
export const parseTrust: (bytes: Uint8Array) => Parsed<TrustDocument> = parser("trust");
export const parsePublicKey: (bytes: Uint8Array) => Parsed<PublicKeyDocument> = parser("public-key");
export const parsePolicy: (bytes: Uint8Array) => Parsed<Policy> = parser("policy");
export const parseTopicDefinition: (bytes: Uint8Array) => Parsed<TopicDefinition> = parser("topic");
export const parseNodeConfig: (bytes: Uint8Array) => Parsed<NodeConfig> = parser("node-config");

/** Top-level fields whose objects keep what they do not know (`x_open`), with the names they do know. */
function openObjects(schema: JsonObject): ReadonlyMap<string, ReadonlySet<string>> {
  const open = new Map<string, ReadonlySet<string>>();
  for (const [name, field] of Object.entries((schema["properties"] ?? {}) as JsonObject)) {
    const inner = field as JsonObject;
    if (inner["x_open"] === true)
      open.set(name, new Set(Object.keys((inner["properties"] ?? {}) as JsonObject)));
  }
  return open;
}

function unknownFields(
  document: JsonObject,
  open: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Problem[] {
  const warnings: Problem[] = [];
  for (const [name, known] of open) {
    const inner: Json = document[name] ?? null;
    if (typeof inner !== "object" || inner === null) continue;
    for (const field of Object.keys(inner)) {
      if (known.has(field) || field.startsWith("x_")) continue;
      const message = "kept, but nothing here reads it";
      warnings.push({ code: "SCHEMA_FIELD_UNKNOWN", pointer: pointerOf([name, field]), message });
    }
  }
  return warnings;
}
