import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import vm from "node:vm";
import { canonicalJson, isVnesError, parseReceipt, type Receipt } from "@vnes/schemas";
import { buildCapsule, openAuthority, readImage, signCapsule, verifyCapsule } from "@vnes/registry";
import { describeImage, signReceipt } from "../src/make-receipt.ts";
import { CORE, manifest, scratch, write, writeCapsule } from "./scratch.ts";

const code =
  (expected: string, details: { readonly [name: string]: unknown } = {}) =>
  (error: unknown) => {
    assert.ok(isVnesError(error), String(error));
    assert.equal(error.code, expected, error.message);
    for (const [name, value] of Object.entries(details)) assert.equal(error.details[name], value);
    return true;
  };

const receiptIn = (dir: string): Receipt => {
  const parsed = parseReceipt(readFileSync(join(dir, "receipt.stunir.json")));
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.value;
};

test("a build gives one script whose default export is the capsule", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"));
  await buildCapsule(capsule, { authority });
  const script = readFileSync(join(capsule, "impl/main.js"), "utf8");
  const next = vm.runInNewContext(`${script}; capsule.default.next(1)`);
  assert.equal(next, 2);
});

test("the same sources give the same bytes in another directory, and no path of this machine is in them", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const one = writeCapsule(join(dir, "one"));
  const other = writeCapsule(join(dir, "quite", "another", "place"));
  await buildCapsule(one, { authority, now: new Date(0) });
  await buildCapsule(other, { authority, now: new Date(0) });
  const script = readFileSync(join(one, "impl/main.js"), "utf8");
  assert.equal(readFileSync(join(other, "impl/main.js"), "utf8"), script);
  assert.ok(
    !script.includes(dir) && !script.includes(import.meta.dirname) && !script.includes("node_modules"),
  );
  assert.equal((await readImage(one)).hash, (await readImage(other)).hash);
  await buildCapsule(one, { authority, now: new Date(0) });
  assert.equal((await readImage(one)).hash, (await readImage(other)).hash);
});

test("the receipt names every file, the parts, the tools, and what was bundled in", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"));
  const { image, receipt } = await buildCapsule(capsule, { authority });
  assert.deepEqual(receiptIn(capsule), JSON.parse(JSON.stringify(receipt)));
  assert.equal(image.hash, (await readImage(capsule)).hash);
  assert.deepEqual(Object.keys(receipt.files).sort(), [
    "impl/main.js",
    "manifest.json",
    "spec/logic.md",
    "spec/schema.json",
    "src/main.ts",
    "src/step.ts",
  ]);
  assert.equal(receipt.output_hash, receipt.parts.impl);
  assert.equal(receipt.toolchain["node"], process.versions.node);
  assert.ok(Object.keys(receipt.toolchain["bundled"] ?? {}).some((name) => name.startsWith("@vnes/sdk/")));
  assert.deepEqual(receipt.environment, { platform: process.platform, arch: process.arch });
});

test("a capsule of tier core is signed for build and deployment, another one for build", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const roles = async (capsule: string) =>
    (await buildCapsule(capsule, { authority })).receipt.signatures.map(({ role }) => role);
  assert.deepEqual(await roles(writeCapsule(join(dir, "core"), CORE)), ["build", "deployment"]);
  assert.deepEqual(await roles(writeCapsule(join(dir, "local"))), ["build"]);
});

test("imports of anything but the sdk and own files in src/ are refused by file and import", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const forbidden = [
    ['import "node:fs";', "node:fs"],
    ['const fs = require("fs");', "fs"],
    ['const fs = import("node:child_process");', "node:child_process"],
    ['import { VnesError } from "@vnes/schemas"; new VnesError("", {} as never);', "@vnes/schemas"],
    ['import "@vnes/sdk/src/capsule.ts";', "@vnes/sdk/src/capsule.ts"],
    ['import "../spec/logic.md";', "../spec/logic.md"],
    ['import "../../other/src/main.ts";', "../../other/src/main.ts"],
    ['export * from "/etc/passwd";', "/etc/passwd"],
    ['import "https://example.org/x.js";', "https://example.org/x.js"],
  ] as const;
  for (const [source, name] of forbidden) {
    const capsule = writeCapsule(
      join(dir, "capsule"),
      {},
      { "src/step.ts": `${source} export const step = 1;` },
    );
    const details = { file: "src/step.ts", import: name };
    await assert.rejects(
      buildCapsule(capsule, { authority }),
      code("BUILD_IMPORT_FORBIDDEN", details),
      source,
    );
    assert.ok(!existsSync(join(capsule, "receipt.stunir.json")) && !existsSync(join(capsule, "impl")));
  }
});

test("a mistake in a source is told with file, line and column; a missing file with who wants it", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const broken = writeCapsule(join(dir, "broken"), {}, { "src/step.ts": "\nexport const step = ;" });
  const place = { file: "src/step.ts", line: 2, column: 21 };
  await assert.rejects(buildCapsule(broken, { authority }), code("BUILD_FAILED", place));
  const missing = writeCapsule(join(dir, "missing"));
  rmSync(join(missing, "src/step.ts"));
  const who = { file: "src/main.ts", import: "./step.ts" };
  await assert.rejects(buildCapsule(missing, { authority }), code("BUILD_IMPORT_MISSING", who));
});

test("without sources, impl/ as it is gets a receipt; with neither there is nothing to build", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = write(join(dir, "python"), {
    "manifest.json": JSON.stringify(manifest({ interfaces: { python: "impl.main:run" } })),
    "impl/main.py": "def run(): pass\n",
  });
  const { receipt } = await buildCapsule(capsule, { authority });
  assert.equal(receipt.transformations[0]?.step, "package");
  assert.equal(readFileSync(join(capsule, "impl/main.py"), "utf8"), "def run(): pass\n");
  rmSync(join(capsule, "impl"), { recursive: true });
  await assert.rejects(buildCapsule(capsule, { authority }), code("BUILD_NOTHING_TO_BUILD"));
});

test("what the author keeps in impl/ beside the bundle is kept and is in the receipt", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"), {}, { "impl/table.bin": "data" });
  const { receipt } = await buildCapsule(capsule, { authority });
  assert.ok(receipt.files["impl/table.bin"]);
  assert.equal(readFileSync(join(capsule, "impl/table.bin"), "utf8"), "data");
});

test("a signature can be added without building, but not to something that changed since", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"));
  await assert.rejects(signCapsule(capsule, "review", "build", authority.keys), code("RECEIPT_UNREADABLE"));
  const before = (await buildCapsule(capsule, { authority })).receipt;
  const reviewer = await authority.keys.createKey("reviewer", ["review"]);
  const after = await signCapsule(capsule, "review", reviewer.keyId, authority.keys);
  assert.deepEqual(after.signature, before.signature);
  assert.deepEqual(
    after.signatures.map(({ role, key_id: id }) => [role, id]),
    [
      ["build", before.signature.key_id],
      ["review", reviewer.keyId],
    ],
  );
  assert.deepEqual(
    (await signCapsule(capsule, "review", "reviewer", authority.keys)).signatures,
    after.signatures,
  );
  writeFileSync(join(capsule, "src/step.ts"), "export const step = () => 3;\n");
  const stale = code("RECEIPT_STALE", { file: "src/step.ts" });
  await assert.rejects(signCapsule(capsule, "review", "reviewer", authority.keys), stale);
});

test("building again finds an impl/ that was not made from src/, even when everything is signed", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const options = { trust: authority.trust(), policy: authority.policy };
  const honest = writeCapsule(join(dir, "honest"));
  await buildCapsule(honest, { authority });
  assert.equal((await verifyCapsule(honest, { ...options, rebuild: true })).verdict.kind, "verified");

  // The publisher shows one source and ships what another one gives; hashes and signatures are all in order.
  const other = writeCapsule(
    join(dir, "other"),
    {},
    { "src/step.ts": "export const step = (n: number) => n + 2;\n" },
  );
  write(other, { "impl/main.js": readFileSync(join(honest, "impl/main.js")) });
  const tools = { step: "bundle", tool: "esbuild", toolchain: {} };
  const forged = describeImage(await readImage(other), manifest(), tools, new Date());
  write(other, { "receipt.stunir.json": canonicalJson(await signReceipt(forged, manifest(), authority)) });
  assert.equal((await verifyCapsule(other, options)).verdict.kind, "verified");
  const { verdict } = await verifyCapsule(other, { ...options, rebuild: true });
  assert.ok(verdict.kind === "quarantined");
  assert.deepEqual(
    verdict.reasons.map(({ code, file }) => `${code} ${file}`),
    ["REBUILD_DIFFERS impl/main.js"],
  );
});

test("a manifest that cannot be understood stops the build with its place", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"), {}, { "manifest.json": '{ "id": 1 ' });
  await assert.rejects(buildCapsule(capsule, { authority }), code("BUILD_MANIFEST_INVALID"));
});

test("building again what has not changed gives the same image; a change gives another", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"));
  const first = await buildCapsule(capsule, { authority, now: new Date(0) });
  const again = await buildCapsule(capsule, { authority, now: new Date(86_400_000) });
  assert.equal(again.image.hash, first.image.hash);
  assert.equal((await readImage(capsule)).hash, first.image.hash);
  writeFileSync(join(capsule, "src/step.ts"), "export const step = () => 4;\n");
  const changed = await buildCapsule(capsule, { authority, now: new Date(86_400_000) });
  assert.notEqual(changed.image.hash, first.image.hash);
  assert.equal(changed.receipt.timestamp, new Date(86_400_000).toISOString());
});

test("a key signs only in a role it has", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"));
  const { image } = await buildCapsule(capsule, { authority });
  await assert.rejects(signCapsule(capsule, "review", "build", authority.keys), code("KEY_ROLE_MISSING"));
  assert.equal((await readImage(capsule)).hash, image.hash);
});
