/** Manifests, methods and topics of the capsules, read and compiled once, as the kernel would read them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseManifest, topicsSubscribed } from "@vnes/schemas";
import type { JsonObject } from "@vnes/sdk";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

const CAPSULES = new URL("../../", import.meta.url);
const ajv = new Ajv2020({ strict: false, allErrors: false });

export interface Spec {
  readonly id: string;
  readonly owns: readonly string[];
  readonly provides: readonly string[];
  /** Names of the capabilities, without ranges. */
  readonly requires: readonly string[];
  readonly optional: readonly string[];
  readonly publishes: readonly string[];
  readonly subscribes: readonly string[];
  readonly methods: ReadonlyMap<
    string,
    { input: ValidateFunction; output: ValidateFunction; effect: string }
  >;
  readonly topics: ReadonlyMap<string, ValidateFunction>;
  /** Those of its topics that nobody keeps. */
  readonly unkept: readonly string[];
}

function readJson(url: URL): JsonObject {
  return JSON.parse(readFileSync(url, "utf8")) as JsonObject;
}

function nameOf(requirement: string): string {
  return requirement.split("@")[0] as string;
}

/** Manifest, methods and topics of a capsule directory, as the kernel would read them. */
function readSpec(directory: string, topics: readonly string[] = []): Spec {
  const root = new URL(`${directory}/`, CAPSULES);
  const parsed = parseManifest(readFileSync(new URL("manifest.json", root)));
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const manifest = parsed.value;
  const defs = readJson(new URL("spec/schema.json", root))["$defs"] as JsonObject;
  const methods = new Map<string, { input: ValidateFunction; output: ValidateFunction; effect: string }>();
  for (const name of Object.keys(defs)) {
    if (!name.endsWith(".input")) continue;
    const method = name.slice(0, -".input".length);
    const input = defs[name] as JsonObject;
    const output = defs[`${method}.output`] as JsonObject;
    methods.set(method, {
      input: ajv.compile({ ...input, $defs: defs }),
      output: ajv.compile({ ...output, $defs: defs }),
      effect: (input["x_effect"] ?? "at_most_once") as string,
    });
  }
  const unkept: string[] = [];
  const compiled = topics.map((topic) => {
    const definition = readJson(new URL(`spec/topics/${topic}.json`, root));
    if (definition["quality"] === "at_most_once") unkept.push(topic);
    assert.equal(definition["owner"], manifest.id);
    return [topic, ajv.compile({ anyOf: definition["schemas"] })] as const;
  });
  return {
    id: manifest.id,
    owns: manifest.state?.owns ?? [],
    provides: manifest.capabilities.provides.map(nameOf),
    requires: (manifest.capabilities.requires ?? []).map(nameOf),
    optional: (manifest.capabilities.x_optional ?? []).map(nameOf),
    publishes: manifest.bus?.publishes ?? [],
    subscribes: topicsSubscribed(manifest),
    methods,
    topics: new Map(compiled),
    unkept,
  };
}

export const SPECS = {
  session: readSpec("vpn/session", ["vpn.session.v1", "vpn.denial.v1"]),
  gateway: readSpec("vpn/gateway"),
  client: readSpec("vpn/client", ["vpn.client.v1"]),
  transport: readSpec("vpn/transport", ["vpn.channel.v1"]),
  routing: readSpec("core/routing"),
  geometry: readSpec("core/geometry", ["geometry.sample.v1"]),
  policy: readSpec("policy/session/classes"),
};

/** By `<capability>.<method>`. */
export const METHODS: ReadonlyMap<
  string,
  { input: ValidateFunction; output: ValidateFunction; effect: string }
> = new Map(Object.values(SPECS).flatMap((spec) => [...spec.methods]));
export const UNKEPT: readonly string[] = Object.values(SPECS).flatMap((spec) => spec.unkept);
export const TOPICS: ReadonlyMap<string, ValidateFunction> = new Map(
  Object.values(SPECS).flatMap((spec) => [...spec.topics]),
);

export function mustFit(validate: ValidateFunction | undefined, value: unknown, what: string): void {
  assert.ok(validate, `${what}: no schema`);
  if (!validate(value)) {
    assert.fail(`${what}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
  }
}
