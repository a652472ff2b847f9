import assert from "node:assert/strict";
import { test } from "node:test";
import { gatherEvidence, judge } from "@vnes/kernel";
import type { Json, Manifest, TrustDocument } from "@vnes/schemas";
import { resolve } from "../../src/binding/resolve.ts";
import { imageOf, manifestOf, policy, signedImage, trust, verifier } from "../harness/node-harness.ts";
import { digest } from "../harness/shard-harness.ts";

const NOW = Date.parse("2026-11-21T00:00:00Z");
const manifest = manifestOf("test.one");

function found(
  spec: { readonly [path: string]: Json },
  capabilities: Partial<Manifest["capabilities"]> = {},
  document: TrustDocument = trust,
): (readonly [code: string, place: string])[] {
  const changed = { ...manifest, capabilities: { ...manifest.capabilities, ...capabilities } };
  const image = signedImage({ manifest: changed, spec });
  const verdict = judge(gatherEvidence(image, { digest, verifier, trust: document, policy, now: NOW }));
  return verdict.kind === "verified"
    ? []
    : verdict.reasons.map(({ code, file, pointer }) => [code, `${file}#${pointer}`] as const);
}

test("a reference that is no URI fragment is a reason, not a crash", () => {
  assert.deepEqual(
    found({ "spec/schema.json": { $defs: {} } }, { input_schemas: ["spec/schema.json#/$defs/%E0"] }),
    [["SCHEMA_REFERENCE_BROKEN", "manifest.json#/capabilities/input_schemas/0"]],
  );
});

test("a spec/schema.json that nothing refers to is still read and compiled: the kernel will use it", () => {
  assert.deepEqual(found({ "spec/schema.json": '{"a":1,"a":2}' }), [
    ["JSON_DUPLICATE_KEY", "spec/schema.json#/a"],
  ]);
  const broken = { $defs: { "test.one.ask.input": { type: "strin" }, helper: { type: "strin" } } };
  assert.deepEqual(found({ "spec/schema.json": broken }), [
    ["SCHEMA_BROKEN", "spec/schema.json#/$defs/test.one.ask.input"],
  ]);
  assert.deepEqual(found({ "spec/schema.json": { $defs: { "a.b.input": null, "a.c.output": [] } } }), [
    ["SCHEMA_BROKEN", "spec/schema.json#/$defs/a.b.input"],
    ["SCHEMA_BROKEN", "spec/schema.json#/$defs/a.c.output"],
  ]);
});

test("a definition that two lists name is one reason", () => {
  const spec = { "spec/schema.json": { $defs: { "a.b.input": { minLength: "x" } } } };
  const reference = "spec/schema.json#/$defs/a.b.input";
  assert.deepEqual(found(spec, { input_schemas: [reference], output_schemas: [reference] }), [
    ["SCHEMA_BROKEN", "spec/schema.json#/$defs/a.b.input"],
  ]);
});

test("a receipt with a key toJSON, which would be signed unsorted, is refused before it is verified", () => {
  const files = Object.fromEntries(
    signedImage({ manifest }).files.map((file) => [file.path, new TextDecoder().decode(file.bytes)]),
  );
  const receipt = JSON.parse(files["receipt.stunir.json"] as string) as { [key: string]: Json };
  const image = imageOf({ ...files, "receipt.stunir.json": { ...receipt, environment: { toJSON: 1 } } });
  const verdict = judge(gatherEvidence(image, { digest, verifier, trust, policy, now: NOW }));
  assert.ok(verdict.kind === "quarantined");
  assert.deepEqual(
    verdict.reasons.map(({ code, pointer }) => [code, pointer]),
    [["JSON_FORBIDDEN_KEY", "/environment/toJSON"]],
  );
});

test("one key under two ids does not make up two signers", () => {
  const [key] = trust.keys;
  assert.ok(key);
  const twice: TrustDocument = {
    ...trust,
    keys: [key, { ...key, key_id: "key_0000000000000000" }],
    thresholds: { [manifest.governance.tier]: { build: 2 } },
  };
  const image = signedImage({ manifest });
  const receipt = image.files.find(({ path }) => path === "receipt.stunir.json");
  const value = JSON.parse(new TextDecoder().decode(receipt?.bytes)) as {
    signatures: { [key: string]: Json }[];
  };
  const signatures = [...value.signatures, { ...value.signatures[0], key_id: "key_0000000000000000" }];
  const files = Object.fromEntries(
    image.files.map((file) => [file.path, new TextDecoder().decode(file.bytes)]),
  );
  const forged = imageOf({ ...files, "receipt.stunir.json": { ...value, signatures } });
  const verdict = judge(gatherEvidence(forged, { digest, verifier, trust: twice, policy, now: NOW }));
  assert.deepEqual(verdict.kind === "quarantined" && verdict.reasons.map(({ code }) => code), [
    "SIGNATURE_THRESHOLD",
  ]);
});

test("a capsule that provides two versions of a capability is one candidate", () => {
  const of = (id: string, capabilities: Manifest["capabilities"]): Parameters<typeof resolve>[0][number] => ({
    id,
    version: "1.0.0",
    manifest: { ...manifestOf(id), capabilities: { ...manifestOf(id).capabilities, ...capabilities } },
    topics: [],
  });
  const asks = of("test.asks", { provides: [], requires: ["word"] });
  const both = of("test.both", { provides: ["word@1.0.0", "word@2.0.0"] });
  assert.deepEqual(resolve([asks, both], policy).order, ["test.both", "test.asks"]);
});
