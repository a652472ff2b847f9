/** What the capsule's own `spec/` says of its events and answers, for tests to hold it to. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { compileSchema, type Json, parseManifest, parseTopicDefinition } from "@vnes/schemas";
import type { Answer } from "@vnes/sdk/driver";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url));
const topic = parseTopicDefinition(read("spec/topics/vpn.channel.v1.json"));
assert.ok(topic.ok, JSON.stringify(topic));
const manifest = parseManifest(read("manifest.json"));
assert.ok(manifest.ok, JSON.stringify(manifest));
const { $defs } = JSON.parse(read("spec/schema.json").toString()) as { $defs: { [name: string]: Json } };
const events = topic.value.schemas.map((schema) => compileSchema(schema));
const checks = new Map(
  Object.entries($defs)
    .filter(([name]) => name.startsWith("vpn.transport."))
    .map(([name, schema]) => [name, compileSchema({ ...(schema as object), $defs })]),
);

export const theManifest = manifest.value;
export const definitions: readonly string[] = [...checks.keys()];

export function assertEvent(event: Json): void {
  const problems = events.map((check) => check(event));
  assert.ok(
    problems.some((found) => found.length === 0),
    `${JSON.stringify(event)}: ${JSON.stringify(problems)}`,
  );
}

export function assertAnswer(method: string, answer: Answer): void {
  if (!answer.ok) return;
  const check = checks.get(`vpn.transport.${method}.output`);
  assert.ok(check, method);
  assert.deepEqual(check(answer.value), [], `${method}: ${JSON.stringify(answer.value)}`);
}

export function inputProblems(method: string, input: Json): readonly unknown[] {
  const check = checks.get(`vpn.transport.${method}.input`);
  assert.ok(check, method);
  return check(input);
}
