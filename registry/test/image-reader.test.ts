import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { isVnesError } from "@vnes/schemas";
import { IMAGE_BOUNDS, nodeDigest, readImage } from "@vnes/registry";
import { scratch, write, writeCapsule } from "./scratch.ts";

/** So many readings take seconds: long enough for a writer to get its turn on any machine. */
const READINGS_BESIDE_A_WRITER = 200;

const refused = (code: string, file?: string) => (error: unknown) => {
  assert.ok(isVnesError(error), String(error));
  assert.equal(error.code, code, error.message);
  if (file !== undefined) assert.equal(error.details["file"], file);
  return true;
};

test("an image holds manifest, spec, src and impl, sorted, and nothing that lies beside them", async (t) => {
  const dir = writeCapsule(
    scratch(t),
    {},
    {
      "impl/é.js": "1",
      "impl/a.js": "2",
      "test/x.test.ts": "",
      LICENSE: "",
      ".mypy_cache/x.json": "",
      "impl/__pycache__/a.cpython-311.pyc": "1",
    },
  );
  chmodSync(join(dir, "impl/a.js"), 0o755);
  const image = await readImage(dir);
  assert.deepEqual(
    image.files.map(({ path, executable }) => (executable ? `${path}*` : path)),
    [
      "impl/a.js*",
      "impl/é.js",
      "manifest.json",
      "spec/logic.md",
      "spec/schema.json",
      "src/main.ts",
      "src/step.ts",
    ],
  );
  assert.match(image.hash, /^sha256:[0-9a-f]{64}$/);
});

test("the image hash changes with a byte, a name and the executable bit, and with nothing else", async (t) => {
  const dir = writeCapsule(scratch(t));
  const { hash } = await readImage(dir);
  chmodSync(join(dir, "spec/logic.md"), 0o600);
  write(dir, { "test/new.ts": "x" });
  assert.equal((await readImage(dir)).hash, hash);
  const hashes = new Set([hash]);
  chmodSync(join(dir, "spec/logic.md"), 0o700);
  hashes.add((await readImage(dir)).hash);
  renameSync(join(dir, "spec/logic.md"), join(dir, "spec/logik.md"));
  hashes.add((await readImage(dir)).hash);
  writeFileSync(join(dir, "spec/logik.md"), "# countes\n");
  hashes.add((await readImage(dir)).hash);
  assert.equal(hashes.size, 4);
});

test("what was read stays what it was when the disk changes afterwards", async (t) => {
  const dir = writeCapsule(scratch(t));
  const image = await readImage(dir);
  const before = Buffer.from(image.files.find(({ path }) => path === "src/step.ts")?.bytes ?? []).toString();
  writeFileSync(join(dir, "src/step.ts"), "export const step = () => 666;");
  const after = Buffer.from(image.files.find(({ path }) => path === "src/step.ts")?.bytes ?? []).toString();
  assert.equal(after, before);
});

test("links are refused wherever they are and wherever they point", async (t) => {
  const dir = writeCapsule(scratch(t));
  symlinkSync("main.ts", join(dir, "src/again.ts"));
  await assert.rejects(readImage(dir), refused("IMAGE_LINK_REFUSED", "src/again.ts"));
  rmSync(join(dir, "src/again.ts"));
  symlinkSync("/etc", join(dir, "impl"));
  await assert.rejects(readImage(dir), refused("IMAGE_LINK_REFUSED", "impl"));
  rmSync(join(dir, "impl"));
  symlinkSync("/nowhere", join(dir, "spec/dangling"));
  await assert.rejects(readImage(dir), refused("IMAGE_LINK_REFUSED", "spec/dangling"));
});

test("a hard link is a file like any other", async (t) => {
  const dir = writeCapsule(scratch(t));
  const { hash } = await readImage(dir);
  linkSync(join(dir, "src/step.ts"), join(dir, "test-link"));
  renameSync(join(dir, "test-link"), join(dir, "..", `hard-${process.pid}`));
  t.after(() => rmSync(join(dir, "..", `hard-${process.pid}`), { force: true }));
  assert.equal((await readImage(dir)).hash, hash);
});

test("pipes, sockets and devices are refused by what they are, without being opened", async (t) => {
  const dir = writeCapsule(scratch(t));
  mkdirSync(join(dir, "impl"));
  execFileSync("mkfifo", [join(dir, "impl/pipe")]);
  await assert.rejects(readImage(dir), refused("IMAGE_SPECIAL_FILE_REFUSED", "impl/pipe"));
  rmSync(join(dir, "impl/pipe"));
  const server = createServer().listen(join(dir, "impl/socket"));
  await new Promise((listening) => server.once("listening", listening));
  await assert.rejects(readImage(dir), refused("IMAGE_SPECIAL_FILE_REFUSED", "impl/socket"));
  await new Promise((closed) => server.close(closed));
  if (process.getuid?.() !== 0)
    return t.diagnostic("making a device needs root; pipes and sockets were checked");
  execFileSync("mknod", [join(dir, "impl/zero"), "c", "1", "5"]);
  await assert.rejects(readImage(dir), refused("IMAGE_SPECIAL_FILE_REFUSED", "impl/zero"));
});

test("bounds: the number of files, the depth, the size of one file and of all", async (t) => {
  const dir = writeCapsule(scratch(t), {}, { "impl/a/b/c.js": "0123456789" });
  const bounds = (change: Partial<typeof IMAGE_BOUNDS>) => readImage(dir, { ...IMAGE_BOUNDS, ...change });
  await assert.rejects(bounds({ files: 8 }), refused("IMAGE_TOO_MANY_FILES"));
  await assert.rejects(bounds({ depth: 2 }), refused("IMAGE_TOO_DEEP", "impl/a/b"));
  await assert.rejects(bounds({ fileBytes: 9 }), refused("IMAGE_FILE_TOO_LARGE", "impl/a/b/c.js"));
  await assert.rejects(bounds({ totalBytes: 200 }), refused("IMAGE_TOO_LARGE"));
  await bounds({ depth: 3, fileBytes: 4096 });
});

test("a sparse file of a terabyte is refused by its size, not read", async (t) => {
  const dir = writeCapsule(scratch(t), {}, { "impl/big": "" });
  truncateSync(join(dir, "impl/big"), 2 ** 40);
  await assert.rejects(readImage(dir), refused("IMAGE_FILE_TOO_LARGE", "impl/big"));
});

test("a name at the top that is no part of a capsule is refused, so that nothing unchecked is carried along", async (t) => {
  const dir = writeCapsule(scratch(t), {}, { "impl.js": "" });
  await assert.rejects(readImage(dir), refused("IMAGE_ENTRY_UNKNOWN", "impl.js"));
  const other = write(scratch(t), { src: "a file where a directory belongs" });
  await assert.rejects(readImage(other), refused("IMAGE_ENTRY_UNKNOWN", "src"));
});

test("names that another file system would take for one are refused", async (t) => {
  const upper = writeCapsule(scratch(t), {}, { "src/Step.ts": "" });
  await assert.rejects(readImage(upper), /[sS]tep\.ts/);
  const unicode = writeCapsule(scratch(t), {}, { "spec/e\u0301.md": "" });
  await assert.rejects(readImage(unicode), /IMAGE|NFC|Unicode/i);
  const control = writeCapsule(scratch(t), {}, { "spec/a\nb.md": "" });
  await assert.rejects(readImage(control), refused("IMAGE_PATH_REFUSED"));
});

test("a name that is not UTF-8 is refused", async (t) => {
  const dir = writeCapsule(scratch(t));
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/spec/`), Buffer.from([0x66, 0xff])]), "");
  await assert.rejects(readImage(dir), refused("IMAGE_NAME_NOT_UTF8"));
});

test("a file added to a directory while it is read is noticed", async (t) => {
  const dir = writeCapsule(scratch(t));
  let added = false;
  const digest = {
    sha256(...chunks: readonly Uint8Array[]) {
      if (!added && Buffer.from(chunks[0] ?? []).includes("# Counter")) {
        writeFileSync(join(dir, "spec/late.md"), "");
        added = true;
      }
      return nodeDigest.sha256(...chunks);
    },
  };
  await assert.rejects(readImage(dir, IMAGE_BOUNDS, digest), refused("IMAGE_CHANGED_WHILE_READ", "spec/"));
});

test("a file that is written to while it is read is noticed", async (t) => {
  const dir = writeCapsule(scratch(t), {}, { "impl/big": Buffer.alloc(8 * 1024 * 1024) });
  const file = join(dir, "impl/big");
  const worker = new Worker(
    `const { openSync, writeSync } = require("node:fs"); const { workerData, parentPort } = require("node:worker_threads");
     const file = openSync(workerData, "r+"); parentPort.postMessage("writing");
     for (let n = 0; ; n += 1) writeSync(file, Buffer.from([n % 256]), 0, 1, n % 4096);`,
    { eval: true, workerData: file },
  );
  await new Promise((writing) => worker.once("message", writing));
  try {
    // A busy machine may let the writer wait through a whole read: nothing changed then, and nothing is refused.
    const readings = async (): Promise<void> => {
      for (let reading = 0; reading < READINGS_BESIDE_A_WRITER; reading += 1) await readImage(dir);
    };
    await assert.rejects(readings, refused("IMAGE_CHANGED_WHILE_READ", "impl/big"));
  } finally {
    await worker.terminate();
  }
  appendFileSync(file, "x");
  await readImage(dir);
});

test("a directory that is not there, or is a file, is named", async (t) => {
  const dir = scratch(t);
  await assert.rejects(readImage(join(dir, "nothing")), refused("IMAGE_NOT_FOUND"));
  write(dir, { file: "" });
  await assert.rejects(readImage(join(dir, "file")), refused("IMAGE_NOT_FOUND"));
});
