import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryLedgerStore, MemoryQuarantine } from "@vnes/driver-memory";
import type { CapsuleImage } from "@vnes/kernel";
import { decodeRecord } from "../../src/ledger/record.ts";
import { both, intake, tally } from "../harness/node-capsules.ts";
import {
  bootTestNode,
  imageOf,
  keyId,
  policy,
  signedImage,
  type TestCapsule,
  trust,
} from "../harness/node-harness.ts";

test("an image with one flipped byte is quarantined with the file named, and its dependents are refused by name", async () => {
  const image = signedImage(tally);
  const files = image.files.map((file) => [file.path, new TextDecoder().decode(file.bytes)]);
  const flipped = imageOf({ ...Object.fromEntries(files), "impl/main.js": "// test.tallY" });
  const { node, quarantine } = await bootTestNode({ capsules: both, images: [flipped, signedImage(intake)] });
  const [entry] = await quarantine.list();
  const mismatch = entry?.reasons.find(({ code }) => code === "RECEIPT_HASH_MISMATCH");
  assert.equal(mismatch?.file, "impl/main.js");
  const { capsules, quarantined } = await node.status();
  assert.equal(quarantined, 1);
  assert.deepEqual(
    capsules.map(({ id, state, reason }) => [id, state, reason]),
    [["test.intake", "unloaded", "BINDING_CAPABILITY_MISSING"]],
  );
  await node[Symbol.asyncDispose]();
});

test("a node whose required capsule is not verified refuses to boot and says why", async () => {
  const required = { ...policy, required: ["test.tally"] };
  const revoked = trust.keys.map((key) => ({
    ...key,
    revoked: { at: "2026-01-02T00:00:00Z", reason: "lost" },
  }));
  const parts = { policy: required, trust: { ...trust, keys: revoked } };
  await assert.rejects(
    bootTestNode({ capsules: both, parts }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "NODE_REQUIRED_CAPSULE_MISSING");
      assert.match(error.message, /SIGNATURE_KEY_REVOKED/);
      assert.match(error.message, new RegExp(keyId));
      return true;
    },
  );
});

test("what policy requires is verified before anything else is judged, and without it nothing else is", async () => {
  const required = { ...policy, required: ["test.tally"] };
  const memory = new LedgerMemory();
  const { node } = await bootTestNode({ capsules: both, memory, parts: { policy: required } });
  const records = await new MemoryLedgerStore(memory.copy()).read("kernel/test", 1, 1_000);
  const verified = records.flatMap(({ seq, bytes }) => {
    const record = decodeRecord("kernel/test", seq, bytes);
    if (record.kind !== "kernel") return [];
    return record.fact["to"] === "verified" ? [record.fact["capsule"]] : [];
  });
  assert.deepEqual(verified, ["test.tally", "test.intake"]);
  await node[Symbol.asyncDispose]();

  const spoiled = (capsule: TestCapsule): CapsuleImage => {
    const files = signedImage(capsule).files.map(({ path, bytes }) => [
      path,
      new TextDecoder().decode(bytes),
    ]);
    return imageOf({ ...Object.fromEntries(files), "impl/main.js": "// another" });
  };
  const [bad, broken] = [spoiled(intake), spoiled(tally)];
  const quarantine = new MemoryQuarantine();
  await assert.rejects(
    bootTestNode({ capsules: both, images: [bad, broken], parts: { policy: required, quarantine } }),
    { code: "NODE_REQUIRED_CAPSULE_MISSING" },
  );
  assert.deepEqual(
    (await quarantine.list()).map(({ id }) => id),
    ["test.tally"],
  );
});

test("a node that is to run what nobody has refuses to boot and names it", async () => {
  const parts = { run: ["test.intake", "test.intakee"] };
  await assert.rejects(
    bootTestNode({ capsules: both, parts }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "NODE_CAPSULE_NOT_FOUND");
      assert.match(error.message, /runs test\.intakee,/);
      return true;
    },
  );
});

test("a capsule of a zone nobody can confine here needs --unconfined-dev", async () => {
  const tenant = { ...tally, manifest: { ...tally.manifest, security: { trust_zone: "tenant" as const } } };
  const refused = await bootTestNode({ capsules: [tenant], images: [signedImage(tenant)] });
  assert.equal((await refused.node.status()).capsules[0]?.reason, "CAPSULE_ZONE_UNCONFINED");
  await refused.node[Symbol.asyncDispose]();
});

test("what ran without its wall is not run again without it either, not even for a replay (W1)", async () => {
  const tenants = both.map((one) => {
    const governance = { ...one.manifest.governance, owner: "acme" };
    return { ...one, manifest: { ...one.manifest, governance, security: { trust_zone: "tenant" as const } } };
  });
  const memory = new LedgerMemory();
  const before = await bootTestNode({ capsules: tenants, memory, parts: { unconfinedDev: true } });
  assert.equal((await before.node.replay("test.tally")).difference, null);
  await before.node[Symbol.asyncDispose]();
  const { node } = await bootTestNode({ capsules: tenants, memory });
  await assert.rejects(node.replay("test.tally"), { code: "CAPSULE_ZONE_UNCONFINED" });
  await node[Symbol.asyncDispose]();
});

test("a changed byte in the ledger is found at boot, with the shard and seq", async () => {
  const memory = new LedgerMemory();
  const { node, ask } = await bootTestNode({ capsules: both, memory });
  await ask("test.intake", "add", { key: "a" });
  await node[Symbol.asyncDispose]();
  const record = memory.shards.get("test.tally/0")?.[1];
  assert.ok(record);
  record.bytes[20] = (record.bytes[20] as number) ^ 1;
  await assert.rejects(
    bootTestNode({ capsules: both, memory }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "LEDGER_HASH_WRONG");
      assert.match(error.message, /record 2 of shard test\.tally\/0/);
      return true;
    },
  );
});

test("a node that loses its ledger while it boots refuses to boot, with the reason, and does not hang", async () => {
  for (let append = 1; append <= 12; append++) {
    const faults = { ioFailedAt: append };
    await assert.rejects(
      bootTestNode({ capsules: both, faults }),
      { code: "LEDGER_IO_FAILED" },
      `append ${append}`,
    );
  }
});
