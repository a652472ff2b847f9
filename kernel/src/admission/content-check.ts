/** Is what the manifest points at there: entry points, schema references, topic definitions. */
import {
  compileSchema,
  type Json,
  type Manifest,
  parseStrictJson,
  parseTopicDefinition,
} from "@vnes/schemas";
import { admissionReason } from "./errors.ts";
import { type CapsuleImage, imageFile } from "./image.ts";
import { documentReasons, schemaReason } from "./document-reasons.ts";
import type { Reason } from "./verdict.ts";

const MANIFEST = "manifest.json";
/** Interfaces whose entry is a file of the capsule. */
const FILE_INTERFACES = ["javascript", "wasm", "native"];
const TOPIC_FILE = /^spec\/topics\/([^/]+)\.json$/;

export function contentReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  return [
    ...entryReasons(manifest, image),
    ...referenceReasons(manifest, image),
    ...topicReasons(manifest, image),
  ];
}

function entryReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  return FILE_INTERFACES.flatMap((language) => {
    const entry = manifest.interfaces?.[language];
    if (typeof entry !== "string") return [];
    const file = entry.split(":")[0] as string;
    if (imageFile(image, file) !== undefined) return [];
    const place = { file: MANIFEST, pointer: `/interfaces/${language}` };
    return [admissionReason("ENTRY_MISSING", { language, file }, place)];
  });
}

function referenceReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  const { input_schemas: inputs = [], output_schemas: outputs = [] } = manifest.capabilities;
  const parsed = new Map<string, Json | undefined>();
  const reasons: Reason[] = [];
  const check = (reference: string, pointer: string): void => {
    const [file = "", fragment = ""] = reference.split("#");
    if (!parsed.has(file)) {
      const found = imageFile(image, file);
      const json = found === undefined ? undefined : parseStrictJson(found.bytes);
      if (json !== undefined && !json.ok) reasons.push(...documentReasons(file, [json.problem]));
      parsed.set(file, json?.ok === true ? json.value : undefined);
    }
    const schema = lookUp(parsed.get(file), fragment);
    if (schema === undefined) {
      reasons.push(admissionReason("SCHEMA_REFERENCE_BROKEN", { reference }, { file: MANIFEST, pointer }));
      return;
    }
    const problem = brokenSchema(schema, parsed.get(file) as Json);
    if (problem !== undefined) reasons.push(schemaReason(file, fragment, problem));
  };
  inputs.forEach((reference, index) => check(reference, `/capabilities/input_schemas/${index}`));
  outputs.forEach((reference, index) => check(reference, `/capabilities/output_schemas/${index}`));
  return reasons;
}

/** Undefined when ajv can use it. Compiled once here so that a turn never meets a broken schema. */
function brokenSchema(schema: Json, document: Json): string | undefined {
  try {
    const defs = (document as { readonly $defs?: Json }).$defs;
    const alone = typeof schema === "object" && defs !== undefined ? { ...schema, $defs: defs } : schema;
    compileSchema(alone as Json);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function topicReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  return image.files.flatMap(({ path: file, bytes }) => {
    const name = TOPIC_FILE.exec(file)?.[1];
    if (name === undefined) return [];
    const parsed = parseTopicDefinition(bytes);
    if (!parsed.ok) return documentReasons(file, parsed.problems);
    const { topic, owner, schemas } = parsed.value;
    const reasons: Reason[] = [];
    if (topic !== name)
      reasons.push(admissionReason("TOPIC_FILE_NAME", { file, topic }, { file, pointer: "/topic" }));
    if (owner !== manifest.id) {
      const details = { topic, owner, id: manifest.id };
      reasons.push(admissionReason("TOPIC_OWNER_MISMATCH", details, { file, pointer: "/owner" }));
    }
    schemas.forEach((schema, index) => {
      const problem = brokenSchema(schema, {});
      if (problem !== undefined) reasons.push(schemaReason(file, `/schemas/${index}`, problem));
    });
    return reasons;
  });
}

function lookUp(document: Json | undefined, fragment: string): Json | undefined {
  let current: Json | undefined = document;
  for (const part of fragment.split("/").slice(1)) {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, name)) return undefined;
    current = (current as { readonly [name: string]: Json })[name];
  }
  return current;
}
