import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CapsuleImage, Reason, RefusedImage } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import { FsQuarantine, readImage } from "@vnes/registry";
import { quarantineContract } from "../../kernel/contracts/quarantine.ts";
import { scratch, writeCapsule } from "./scratch.ts";

quarantineContract({
  name: "directory",
  open: async () => {
    const dir = mkdtempSync(join(tmpdir(), "vnes-quarantine-"));
    return {
      quarantine: new FsQuarantine(dir),
      reopen: () => new FsQuarantine(dir),
      cleanup: async () => rmSync(dir, { recursive: true, force: true }),
    };
  },
});

const reason = (code: string): Reason => ({ code, message: "m", file: "impl/main.js", remedy: "r" });

function refused(image: CapsuleImage | null, change: Partial<RefusedImage> = {}) {
  const [id, version] = ["org.example.counter", "0.1.0"];
  const reasons = [reason("RECEIPT_HASH_MISMATCH")];
  return { origin: "/somewhere", id, version, image, at: 1000, reasons, evidence: { seen: true }, ...change };
}

test("what was refused is kept with image, evidence and reasons, and nothing of it can be run", async (t) => {
  const dir = scratch(t);
  const capsule = writeCapsule(join(dir, "capsule"), {}, { "impl/run.sh": "#!/bin/sh\n" });
  chmodSync(join(capsule, "impl/run.sh"), 0o755);
  const image = await readImage(capsule);
  const quarantine = new FsQuarantine(join(dir, "quarantine"));
  const { entry } = await quarantine.put(refused(image));
  assert.match(entry, /^qua_[0-9a-f]{12}$/);
  const shown = await new FsQuarantine(quarantine.dir).show(entry);
  assert.deepEqual(shown.entry.reasons, [reason("RECEIPT_HASH_MISMATCH")]);
  assert.equal(shown.entry.imageHash, image.hash);
  assert.deepEqual(shown.evidence, { seen: true });
  for (const { path, bytes } of image.files) {
    assert.deepEqual(readFileSync(join(shown.image ?? "", path)), Buffer.from(bytes));
    assert.equal(statSync(join(shown.image ?? "", path)).mode & 0o777, 0o400);
  }
});

test("the same image for the same reasons is one entry that counts; other reasons are another", async (t) => {
  const dir = scratch(t);
  const image = await readImage(writeCapsule(join(dir, "capsule")));
  const quarantine = new FsQuarantine(join(dir, "quarantine"));
  const first = await quarantine.put(refused(image));
  const again = await quarantine.put(refused(image, { at: 2000, origin: "/elsewhere" }));
  assert.equal(again.entry, first.entry);
  const other = await quarantine.put(refused(image, { reasons: [reason("SIGNATURE_INVALID")] }));
  assert.notEqual(other.entry, first.entry);
  const listed = (await quarantine.list()).map(({ entry, times, firstAt, at }) => [
    entry,
    times,
    firstAt,
    at,
  ]);
  assert.deepEqual(listed, [
    [first.entry, 2, 1000, 2000],
    [other.entry, 1, 1000, 1000],
  ]);
});

test("what could not be read as an image has an entry by its origin", async (t) => {
  const quarantine = new FsQuarantine(join(scratch(t), "quarantine"));
  const nothing = { id: null, version: null, reasons: [reason("IMAGE_LINK_REFUSED")] };
  const one = await quarantine.put(refused(null, { ...nothing, origin: "/a" }));
  const other = await quarantine.put(refused(null, { ...nothing, origin: "/b" }));
  assert.notEqual(one.entry, other.entry);
  assert.equal((await quarantine.show(one.entry)).image, null);
});

test("when it is full the entry refused longest ago goes, and is counted", async (t) => {
  const dir = scratch(t);
  const image = await readImage(writeCapsule(join(dir, "capsule")));
  const quarantine = new FsQuarantine(join(dir, "quarantine"), { entries: 3, bytes: 1e9 });
  for (const at of [5, 1, 3, 4, 2])
    await quarantine.put(refused(image, { at, reasons: [reason(`CODE_${at}`)] }));
  const kept = (await quarantine.list()).map(({ at }) => at);
  // 2 came last and is kept, whatever its clock says.
  assert.deepEqual(kept, [5, 4, 2]);
  assert.equal(await quarantine.removedForRoom(), 2);
  const small = new FsQuarantine(join(dir, "small"), { entries: 9, bytes: 2000 });
  for (const at of [1, 2, 3]) await small.put(refused(image, { at, reasons: [reason(`CODE_${at}`)] }));
  const bytes = (await small.list()).reduce((sum, entry) => sum + entry.bytes, 0);
  assert.ok(bytes <= 2000 && (await small.removedForRoom()) > 0, `${bytes}`);
});

test("evidence that holds bytes says how many, and a giant one is left out by name", async (t) => {
  const dir = scratch(t);
  const image = await readImage(writeCapsule(join(dir, "capsule")));
  const quarantine = new FsQuarantine(join(dir, "quarantine"));
  const { entry } = await quarantine.put(
    refused(image, { evidence: { image: { bytes: image.files[0]?.bytes } } as never }),
  );
  const shown = (await quarantine.show(entry)).evidence;
  assert.deepEqual(shown, { image: { bytes: { bytes: image.files[0]?.bytes.length } } });
  const giant = await quarantine.put(refused(null, { evidence: "x".repeat(5e6) }));
  assert.deepEqual((await quarantine.show(giant.entry)).evidence, { left_out: "too large", bytes: 5000003 });
});

test("an entry is removed by name, and no other path is reached through one", async (t) => {
  const dir = scratch(t);
  const quarantine = new FsQuarantine(join(dir, "quarantine"));
  const { entry } = await quarantine.put(refused(null));
  await quarantine.remove(entry);
  assert.ok(!existsSync(join(quarantine.dir, entry)));
  for (const name of [entry, "..", "../..", "qua_000000000000/../x"]) {
    const unknown = (error: unknown) => isVnesError(error) && error.code === "QUARANTINE_ENTRY_UNKNOWN";
    await assert.rejects(quarantine.remove(name), unknown);
    await assert.rejects(quarantine.show(name), unknown);
  }
});

test("a damaged entry and what a dead process left do not stop it", async (t) => {
  const quarantine = new FsQuarantine(join(scratch(t), "quarantine"));
  const { entry } = await quarantine.put(refused(null));
  chmodSync(join(quarantine.dir, entry, "entry.json"), 0o600);
  writeFileSync(join(quarantine.dir, entry, "entry.json"), "{");
  mkdirSync(join(quarantine.dir, ".tmp-1-x"));
  assert.deepEqual(await quarantine.list(), []);
  assert.equal((await quarantine.put(refused(null))).times, 1);
  assert.equal((await quarantine.list()).length, 1);
  assert.ok(!existsSync(join(quarantine.dir, ".tmp-1-x")));
});
