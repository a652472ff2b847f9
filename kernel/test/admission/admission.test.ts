import assert from "node:assert/strict";
import { test } from "node:test";
import { type CapsuleImage, gatherEvidence, judge, type Reason, treeHash, verifyTrust } from "@vnes/kernel";
import {
  type DeterminismTier,
  type Manifest,
  type Policy,
  type Receipt,
  schemaErrors,
  type TrustDocument,
} from "@vnes/schemas";
import fc from "fast-check";
import { admissionErrors } from "../../src/admission/errors.ts";
import {
  imageOf,
  keyId,
  manifestOf,
  policy,
  receiptFor,
  signedImage,
  trust,
  verifier,
} from "../harness/node-harness.ts";
import { digest } from "../harness/shard-harness.ts";

const NOW = Date.parse("2026-11-21T00:00:00Z");
const manifest = manifestOf("test.one");

function reasonsOf(
  image: CapsuleImage,
  more: {
    trust?: TrustDocument;
    policy?: Policy;
    installed?: Manifest;
    allowWidened?: boolean;
    now?: number;
  } = {},
): readonly Reason[] {
  const verdict = judge(
    gatherEvidence(image, { digest, verifier, trust, policy, now: NOW, origin: "here", ...more }),
  );
  return verdict.kind === "verified" ? [] : verdict.reasons;
}

const codesOf = (...args: Parameters<typeof reasonsOf>): readonly string[] =>
  reasonsOf(...args).map(({ code }) => code);

const textOf = (image: CapsuleImage): { [path: string]: string } =>
  Object.fromEntries(image.files.map((file) => [file.path, new TextDecoder().decode(file.bytes)]));

const withKey = (change: Partial<TrustDocument["keys"][number]>): TrustDocument => ({
  ...trust,
  keys: trust.keys.map((key) => ({ ...key, ...change })),
});

test("a signed image of an allowed id is verified", () => {
  assert.deepEqual(reasonsOf(signedImage({ manifest })), []);
});

test("a swapped, missing or extra file is named", () => {
  const files = textOf(signedImage({ manifest, spec: { "spec/logic.md": "what it does" } }));
  const at = (image: CapsuleImage): [string, string | undefined][] =>
    reasonsOf(image)
      .filter(({ code }) => code.startsWith("RECEIPT_HASH") || code.startsWith("RECEIPT_FILE"))
      .map(({ code, file }) => [code, file]);
  const { "spec/logic.md": _, ...without } = files;
  assert.deepEqual(at(imageOf({ ...files, "impl/main.js": "// other" })), [
    ["RECEIPT_HASH_MISMATCH", "impl/main.js"],
  ]);
  assert.deepEqual(at(imageOf({ ...files, "impl/more.js": "" })), [["RECEIPT_FILE_EXTRA", "impl/more.js"]]);
  assert.deepEqual(at(imageOf(without)), [["RECEIPT_FILE_MISSING", "spec/logic.md"]]);
});

test("an executable bit that was not there when it was signed is found, though every file hash fits", () => {
  const image = signedImage({ manifest });
  const files = image.files.map((file) =>
    file.path === "impl/main.js" ? { ...file, executable: true } : file,
  );
  assert.ok(codesOf({ ...image, files }).every((code) => code === "RECEIPT_PART_MISMATCH"));
  assert.ok(codesOf({ ...image, files }).length > 0);
});

test("any changed byte of any file is refused", () => {
  const image = signedImage({ manifest, spec: { "spec/logic.md": "what it does" } });
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, where, flip) => {
      const target = image.files[which % image.files.length];
      assert.ok(target);
      const bytes = Uint8Array.from(target.bytes);
      bytes[where % bytes.length] = (bytes[where % bytes.length] as number) ^ flip;
      const raw = imageOf({ x: new TextDecoder("latin1").decode(bytes) }).files[0];
      assert.ok(raw);
      const sha256 = `sha256:${Buffer.from(digest.sha256(bytes)).toString("hex")}` as const;
      const files = image.files.map((file) => (file === target ? { ...file, bytes, sha256 } : file));
      assert.notDeepEqual(reasonsOf({ ...image, files }), []);
    }),
    { numRuns: 300 },
  );
});

test("a receipt for another capsule, another tier or over another canonical form is refused by name", () => {
  const files = textOf(signedImage({ manifest }));
  const receipt = JSON.parse(files["receipt.stunir.json"] as string) as Receipt;
  const swap = (changed: Partial<Receipt>): readonly string[] =>
    codesOf(imageOf({ ...files, "receipt.stunir.json": { ...receipt, ...changed } }));
  assert.ok(swap({ capsule: { id: "test.two", version: "1.0.0" } }).includes("RECEIPT_FOR_OTHER_CAPSULE"));
  assert.ok(swap({ determinism_tier: "NX_experimental" }).includes("RECEIPT_TIER_MISMATCH"));
  assert.ok(swap({ environment: { added: 1 } }).includes("SIGNATURE_INVALID"));
  assert.ok(swap({ signature: { key_id: keyId, value: "AAAA" } }).includes("RECEIPT_SIGNATURE_DIFFERS"));
  assert.deepEqual(swap({ signatures: [] }), ["RECEIPT_SIGNATURE_DIFFERS", "SIGNATURE_THRESHOLD"]);
  const other = receiptFor(manifestOf("test.two"), imageOf({}));
  assert.ok(
    codesOf(imageOf({ ...files, "receipt.stunir.json": other })).includes("RECEIPT_HASH_MISMATCH") === false,
  );
  assert.ok(
    codesOf(imageOf({ ...files, "receipt.stunir.json": other })).includes("RECEIPT_FOR_OTHER_CAPSULE"),
  );
  assert.ok(codesOf(imageOf({ ...files, "receipt.stunir.json": other })).includes("RECEIPT_FILE_EXTRA"));
});

test("key order and white space of the receipt do not matter: the signature is over its canonical form", () => {
  const files = textOf(signedImage({ manifest }));
  const receipt = JSON.parse(files["receipt.stunir.json"] as string) as Receipt;
  const reversed = JSON.stringify(Object.fromEntries(Object.entries(receipt).reverse()), null, 7);
  assert.deepEqual(codesOf(imageOf({ ...files, "receipt.stunir.json": reversed })), []);
});

test("each limit of a key refuses by its own name", () => {
  const image = signedImage({ manifest });
  const code = (change: Partial<TrustDocument["keys"][number]>): string | undefined =>
    codesOf(image, { trust: withKey(change) })[0];
  assert.equal(code({ valid_until: "2026-01-01T00:00:00Z" }), "SIGNATURE_KEY_EXPIRED");
  assert.equal(code({ valid_from: "2030-01-01T00:00:00Z" }), "SIGNATURE_KEY_NOT_YET_VALID");
  assert.equal(code({ revoked: { at: "2026-01-01T00:00:00Z", reason: "lost" } }), "SIGNATURE_KEY_REVOKED");
  assert.equal(code({ namespaces: ["acme.*"] }), "SIGNATURE_KEY_NAMESPACE");
  assert.equal(code({ tiers: ["core"] }), "SIGNATURE_KEY_TIER");
  assert.equal(code({ zones: ["ephemeral"] }), "SIGNATURE_KEY_ZONE");
  assert.equal(code({ roles: ["review"] }), "SIGNATURE_KEY_ROLE");
  assert.equal(code({ key_id: "key_0000000000000000" }), "SIGNATURE_KEY_UNKNOWN");
  assert.deepEqual(
    codesOf(image, { trust: { ...trust, thresholds: { local: { build: 1, deployment: 1 } } } }),
    ["SIGNATURE_THRESHOLD"],
  );
});

test("policy: no rule, a forbidden tier, determinism, zone or power, a driver outside the system zone", () => {
  const codes = (more: Partial<Manifest>, id = "test.one"): readonly string[] =>
    codesOf(signedImage({ manifest: manifestOf(id, more) }));
  const strict = { ...policy, admission: [{ match: "test.*", tiers: [], determinism: [], zones: [] }] };
  assert.deepEqual(codesOf(signedImage({ manifest }), { policy: strict }), [
    "POLICY_TIER_FORBIDDEN",
    "POLICY_DETERMINISM_FORBIDDEN",
    "POLICY_ZONE_FORBIDDEN",
  ]);
  assert.deepEqual(codesOf(signedImage({ manifest }), { policy: { ...policy, admission: [] } }), [
    "POLICY_NO_RULE",
  ]);
  const driver = {
    type: "driver" as const,
    security: { trust_zone: "system" as const, resources: ["net.tcp"] },
  };
  assert.deepEqual(codes(driver), ["POLICY_POWER_NOT_GRANTED"]);
  assert.deepEqual(
    codes({ ...driver, security: { trust_zone: "system", resources: ["net.udp"] } }, "test.radio"),
    [],
  );
  assert.deepEqual(codes({ type: "driver", security: { trust_zone: "tenant" }, state: { owns: ["x"] } }), [
    "DRIVER_OUTSIDE_SYSTEM_ZONE",
    "DRIVER_OWNS_KEYS",
  ]);
  assert.deepEqual(codes({ security: { trust_zone: "system", resources: ["net.udp"] } }, "test.radio"), [
    "POWER_WITHOUT_DRIVER",
  ]);
});

test("what the manifest points at must be there and usable", () => {
  const codes = (more: Partial<Manifest>, spec: { [path: string]: unknown } = {}): readonly string[] =>
    codesOf(signedImage({ manifest: manifestOf("test.one", more), spec }));
  assert.deepEqual(codes({ interfaces: { javascript: "impl/other.js" } }), ["ENTRY_MISSING"]);
  const python = (entry: string, files: { [path: string]: unknown }): readonly string[] =>
    codes({ interfaces: { python: entry } }, files);
  const module = { "impl/parts/rules.py": "" };
  assert.deepEqual(python("impl.parts.rules:run", module), []);
  assert.deepEqual(python("parts.rules:run", module), []);
  assert.deepEqual(python("impl.parts:run", module), ["ENTRY_MISSING"]);
  assert.deepEqual(python("impl.parts:run", { "impl/parts/__init__.py": "" }), []);
  for (const entry of [
    "impl/parts/rules.py",
    "impl.parts.rules",
    "impl..rules:run",
    "impl.rules:run()",
    ":run",
  ])
    assert.deepEqual(python(entry, module), ["ENTRY_INVALID"], entry);
  const refer = {
    capabilities: {
      provides: [],
      input_schemas: ["spec/schema.json#/$defs/a.b.input"],
      determinism_tier: "D0_bit_exact" as const,
    },
  };
  assert.deepEqual(codes(refer), ["SCHEMA_REFERENCE_BROKEN"]);
  assert.deepEqual(codes(refer, { "spec/schema.json": { $defs: { "a.b.input": { type: "strin" } } } }), [
    "SCHEMA_BROKEN",
  ]);
  assert.deepEqual(codes(refer, { "spec/schema.json": { $defs: { "a.b.input": { type: "string" } } } }), []);
  const topic = {
    schema_version: "v1",
    topic: "a.b.v1",
    owner: "test.other",
    description: "",
    schemas: [{ madeUp: 1 }],
    partition: { count: 1 },
    quality: "exactly_once",
    retention: {},
    flow: { policy: "block", buffer: 1 },
  };
  assert.deepEqual(codes({}, { "spec/topics/b.v1.json": topic }), [
    "TOPIC_FILE_NAME",
    "TOPIC_OWNER_MISMATCH",
    "SCHEMA_BROKEN",
  ]);
  assert.deepEqual(codes({ bus: { subscribes: ["a.b.v1", { topic: "a.b.v1", retries: 0 }] } }), [
    "SUBSCRIPTION_TWICE",
  ]);
});

test("an upgrade that asks for more needs an explicit yes; one that asks for less does not", () => {
  const wide = manifestOf("test.one", { bus: { publishes: ["a.v1"] } });
  const image = signedImage({ manifest: wide });
  assert.deepEqual(codesOf(image, { installed: manifest }), ["ADMISSION_CAPABILITIES_WIDENED"]);
  assert.deepEqual(codesOf(image, { installed: manifest, allowWidened: true }), []);
  assert.deepEqual(codesOf(signedImage({ manifest }), { installed: wide }), []);
});

test("the verdict lists every reason with file, place and a next command that names the directory", () => {
  const bad = imageOf({ "manifest.json": '{"id":"test.one","id":"test.two"}', "receipt.stunir.json": "{}" });
  const reasons = reasonsOf(bad);
  assert.ok(reasons.length > 5);
  for (const reason of reasons) {
    assert.ok(reason.code in admissionErrors.entries || reason.code in schemaErrors.entries, reason.code);
    assert.ok(reason.file !== undefined && reason.message.length > 0 && reason.remedy.length > 0);
    assert.ok(
      !reason.remedy.includes("<dir>") && !/\{\w+\}/.test(reason.message + reason.remedy),
      reason.remedy,
    );
  }
  assert.deepEqual(
    reasonsOf(imageOf({})).map(({ code }) => code),
    ["MANIFEST_MISSING", "RECEIPT_MISSING"],
  );
});

test("a trust document is refused when it is older than one seen before, or not signed by a pinned root", () => {
  assert.deepEqual(
    verifyTrust({ ...trust, version: 2 }, [], 3, verifier).map(({ code }) => code),
    ["TRUST_ROLLED_BACK", "TRUST_SIGNATURE_INVALID"],
  );
});

test("a tree hash names paths, executable bits and contents, whatever order the files come in", () => {
  const entry = fc.record({
    path: fc.stringMatching(/^[a-zé]{1,6}$/),
    executable: fc.boolean(),
    size: fc.nat({ max: 100 }),
    sha256: fc.constantFrom<`sha256:${string}`>(`sha256:${"a".repeat(64)}`, `sha256:${"b".repeat(64)}`),
  });
  const trees = fc.uniqueArray(entry, { selector: ({ path }) => path, maxLength: 8 });
  fc.assert(
    fc.property(trees, fc.nat(), (tree, seed) => {
      const shuffled = [...tree].sort((a, b) => ((a.path.length * seed) % 7) - ((b.path.length * seed) % 7));
      assert.equal(treeHash(shuffled, digest), treeHash(tree, digest));
      const [first, ...rest] = tree;
      if (first === undefined) return;
      assert.notEqual(
        treeHash([{ ...first, executable: !first.executable }, ...rest], digest),
        treeHash(tree, digest),
      );
      assert.notEqual(
        treeHash([{ ...first, path: `${first.path}x` }, ...rest], digest),
        treeHash(tree, digest),
      );
      assert.notEqual(treeHash(rest, digest), treeHash(tree, digest));
    }),
  );
});

test("a native program that says it is deterministic, or is a script, is refused; one that runs as something else is not", () => {
  const codes = (
    interfaces: { [language: string]: string },
    tier: DeterminismTier,
    language = "native",
    program = "\x7fELF\x02\x01\x01\0",
  ) =>
    codesOf(
      signedImage({
        manifest: manifestOf("test.one", {
          interfaces,
          capabilities: { provides: [], determinism_tier: tier },
          runtime: { language },
        }),
        spec: { "impl/main": program },
      }),
    ).filter((code) => code !== "POLICY_DETERMINISM_FORBIDDEN");
  const native = { native: "impl/main" };
  assert.deepEqual(codes(native, "D0_bit_exact"), ["NATIVE_NOT_DETERMINISTIC"]);
  assert.deepEqual(codes(native, "D1_numerically_stable"), ["NATIVE_NOT_DETERMINISTIC"]);
  assert.deepEqual(codes(native, "D2_soft_deterministic"), []);
  assert.deepEqual(codes({ ...native, javascript: "impl/main.js" }, "D0_bit_exact", "typescript"), []);
  for (const text of ["#!/bin/sh\nexit 0\n", ""])
    assert.deepEqual(codes(native, "D2_soft_deterministic", "native", text), ["NATIVE_NOT_PROGRAM"]);
  assert.deepEqual(codes({ ...native, javascript: "impl/main.js" }, "D0_bit_exact", "typescript", "#!"), []);
});
