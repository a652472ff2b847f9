/** Is what the manifest points at there, and is it what it should be: entry points, schema references, topic definitions. */
import {
  atPointer,
  compileSchema,
  type Json,
  type JsonObject,
  type Manifest,
  parseStrictJson,
  parseTopicDefinition,
  pointerOf,
  topicsSubscribed,
} from "@vnes/schemas";
import { admissionReason } from "./errors.ts";
import { type CapsuleImage, imageFile } from "./image.ts";
import { documentReasons, schemaReason } from "./document-reasons.ts";
import { entryReasons } from "./entry-check.ts";
import { TOPIC_FILE } from "./topic-files.ts";
import type { Reason } from "./verdict.ts";

const MANIFEST = "manifest.json";
const SPEC = "spec/schema.json";
export function contentReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  return [
    ...entryReasons(manifest, image),
    ...referenceReasons(manifest, image),
    ...topicReasons(manifest, image),
    ...subscriptionReasons(manifest),
  ];
}

/** `uniqueItems` of the schema sees two different entries. */
function subscriptionReasons(manifest: Manifest): readonly Reason[] {
  const topics = topicsSubscribed(manifest);
  return topics.flatMap((topic, index) => {
    if (topics.indexOf(topic) === index) return [];
    return [
      admissionReason(
        "SUBSCRIPTION_TWICE",
        { topic },
        { file: MANIFEST, pointer: `/bus/subscribes/${index}` },
      ),
    ];
  });
}

/** Capability definitions that the kernel compiles whether or not the manifest lists them. */
const METHOD = /\.(?:input|output)$/;

function referenceReasons(manifest: Manifest, image: CapsuleImage): readonly Reason[] {
  const { input_schemas: inputs = [], output_schemas: outputs = [] } = manifest.capabilities;
  const parsed = new Map<string, Json | undefined>();
  const checked = new Set<string>();
  const reasons: Reason[] = [];
  const open = (file: string): Json | undefined => {
    if (parsed.has(file)) return parsed.get(file);
    const found = imageFile(image, file);
    const json = found === undefined ? undefined : parseStrictJson(found.bytes);
    if (json !== undefined && !json.ok) reasons.push(...documentReasons(file, [json.problem]));
    const value = json?.ok === true ? json.value : undefined;
    parsed.set(file, value);
    return value;
  };
  const compile = (file: string, pointer: string, schema: Json): void => {
    if (checked.has(`${file}#${pointer}`)) return;
    checked.add(`${file}#${pointer}`);
    const problem = brokenSchema(schema, open(file) ?? {});
    if (problem !== undefined) reasons.push(schemaReason(file, pointer, problem));
  };
  const follow = (reference: string, place: string): void => {
    const [file = "", fragment = ""] = reference.split("#");
    const pointer = decoded(fragment);
    const document = open(file);
    const schema = document === undefined || pointer === undefined ? undefined : atPointer(document, pointer);
    if (schema === undefined || pointer === undefined) {
      const details = { file: MANIFEST, pointer: place };
      reasons.push(admissionReason("SCHEMA_REFERENCE_BROKEN", { reference }, details));
    } else compile(file, pointer, schema);
  };
  inputs.forEach((reference, index) => follow(reference, `/capabilities/input_schemas/${index}`));
  outputs.forEach((reference, index) => follow(reference, `/capabilities/output_schemas/${index}`));
  const definitions = atPointer(open(SPEC) ?? null, "/$defs");
  for (const [name, schema] of Object.entries((definitions ?? {}) as JsonObject)) {
    if (METHOD.test(name)) compile(SPEC, pointerOf(["$defs", name]), schema);
  }
  return reasons;
}

/** A URI fragment as the pointer it stands for; undefined when it stands for none. */
function decoded(fragment: string): string | undefined {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
}

/** Undefined when ajv can use it. Compiled once here so that a turn never meets a broken schema. */
function brokenSchema(schema: Json, document: Json): string | undefined {
  const defs = atPointer(document, "/$defs");
  const isObject = typeof schema === "object" && schema !== null && !Array.isArray(schema);
  try {
    compileSchema(isObject && defs !== undefined ? { ...(schema as JsonObject), $defs: defs } : schema);
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
