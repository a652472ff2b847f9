import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DirectoryImageArchive } from "@vnes/registry";
import { isVnesError } from "@vnes/schemas";
import { imageArchiveContract, sampleImage } from "../../kernel/contracts/image-archive.ts";
import { scratch } from "./scratch.ts";

imageArchiveContract({
  name: "directory",
  open: async () => {
    const dir = mkdtempSync(join(tmpdir(), "vnes-archive-"));
    return {
      archive: new DirectoryImageArchive(dir),
      reopen: () => new DirectoryImageArchive(dir),
      cleanup: async () => rmSync(dir, { recursive: true, force: true }),
    };
  },
});

test("an image that changed on disk is refused by name, and mended when the same image is put again", async (t) => {
  const dir = scratch(t);
  const archive = new DirectoryImageArchive(dir);
  const image = sampleImage({ "impl/main.js": "let a = 1;" });
  await archive.put(image);
  const file = join(dir, image.hash.slice(7), "impl/main.js");
  chmodSync(file, 0o600);
  writeFileSync(file, "let a = 2;");
  const error = await archive.get(image.hash).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.ok(isVnesError(error) && error.code === "IMAGE_ARCHIVE_DAMAGED", String(error));
  assert.ok(error.message.includes(image.hash));
  await archive.put(image);
  assert.equal((await archive.get(image.hash))?.hash, image.hash);
});

test("what a crash left half-written is never listed, and goes with the next removal", async (t) => {
  const dir = scratch(t);
  const archive = new DirectoryImageArchive(dir);
  mkdirSync(join(dir, ".tmp-1-dead", "impl"), { recursive: true });
  assert.deepEqual(await archive.list(), []);
  await archive.remove(`sha256:${"0".repeat(64)}`);
  assert.throws(() => chmodSync(join(dir, ".tmp-1-dead"), 0o700), { code: "ENOENT" });
});

test("what the archive has not is read from the registry of the machine, hash checked there", async (t) => {
  const image = sampleImage({ "impl/main.js": "old" });
  const shelf = { has: (hash: string) => hash === image.hash, readImage: async () => image };
  const archive = new DirectoryImageArchive(scratch(t), shelf);
  assert.equal((await archive.get(image.hash))?.hash, image.hash);
  assert.equal(await archive.get(`sha256:${"1".repeat(64)}`), undefined);
  assert.equal(await archive.get("../../etc"), undefined);
  assert.deepEqual(await archive.list(), []);
});
