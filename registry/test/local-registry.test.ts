import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type TestContext, test } from "node:test";
import { isVnesError, type Manifest } from "@vnes/schemas";
import {
  type Authority,
  buildCapsule,
  directorySource,
  LocalRegistry,
  openAuthority,
  readImage,
  type Verified,
  verifyCapsule,
} from "@vnes/registry";
import { scratch, writeCapsule } from "./scratch.ts";

const code = (expected: string, text?: RegExp) => (error: unknown) => {
  assert.ok(isVnesError(error), String(error));
  assert.equal(error.code, expected, error.message);
  if (text !== undefined) assert.match(error.message, text);
  return true;
};

async function set(t: TestContext): Promise<{ dir: string; authority: Authority; registry: LocalRegistry }> {
  const dir = scratch(t);
  return {
    dir,
    authority: await openAuthority(join(dir, "config")),
    registry: new LocalRegistry(join(dir, "registry")),
  };
}

async function build(
  authority: Authority,
  dir: string,
  change: Partial<Manifest> = {},
  files: { readonly [path: string]: string } = {},
): Promise<Verified> {
  writeCapsule(dir, change, files);
  await buildCapsule(dir, { authority });
  return await verifyCapsule(dir, { trust: authority.trust(), policy: authority.policy });
}

test("what is installed is read back with the same hash, by a registry opened later", async (t) => {
  const { dir, authority, registry } = await set(t);
  const verified = await build(authority, join(dir, "capsule"));
  const installed = await registry.install(verified);
  assert.equal(installed.changed, true);
  const [candidate, ...more] = await new LocalRegistry(registry.dir).candidates();
  assert.equal(more.length, 0);
  assert.equal(candidate?.origin, `registry:${verified.image.hash}`);
  assert.deepEqual(await candidate.read(), verified.image);
  const file = join(registry.dir, "images", verified.image.hash.slice(7), "impl/main.js");
  assert.equal(statSync(file).mode & 0o777, 0o444);
});

test("the same image again changes nothing", async (t) => {
  const { dir, authority, registry } = await set(t);
  const verified = await build(authority, join(dir, "capsule"));
  await registry.install(verified);
  const before = readFileSync(join(registry.dir, "index.json"), "utf8");
  assert.equal((await registry.install(verified)).changed, false);
  assert.equal(readFileSync(join(registry.dir, "index.json"), "utf8"), before);
});

test("what is stored is what was judged, whatever the directory holds by then", async (t) => {
  const { dir, authority, registry } = await set(t);
  const verified = await build(authority, join(dir, "capsule"));
  writeFileSync(join(dir, "capsule/impl/main.js"), "var capsule = evil;");
  await registry.install(verified);
  assert.deepEqual(await registry.readImage(verified.image.hash), verified.image);
});

test("what was not verified is not installed", async (t) => {
  const { dir, authority, registry } = await set(t);
  await build(authority, join(dir, "capsule"));
  writeFileSync(join(dir, "capsule/impl/main.js"), "var capsule = evil;");
  const forged = await verifyCapsule(join(dir, "capsule"), {
    trust: authority.trust(),
    policy: authority.policy,
  });
  await assert.rejects(registry.install(forged), code("REGISTRY_NOT_VERIFIED", /RECEIPT_HASH_MISMATCH/));
  assert.deepEqual(await registry.list(), []);
});

test("a newer version supersedes, an older one needs a yes, both stay in the registry", async (t) => {
  const { dir, authority, registry } = await set(t);
  const versions = ["0.9.0", "0.9.1", "0.10.0"];
  for (const version of versions)
    await registry.install(await build(authority, join(dir, version), { version }));
  const states = async () => (await registry.list()).map(({ version, state }) => `${version} ${state}`);
  assert.deepEqual(await states(), ["0.9.0 superseded", "0.9.1 superseded", "0.10.0 current"]);
  const old = await build(authority, join(dir, "0.9.0"), { version: "0.9.0" });
  await assert.rejects(
    registry.install(old, { replace: true }),
    code("REGISTRY_DOWNGRADE_REFUSED", /0\.10\.0/),
  );
  await registry.install(old, { replace: true, allowDowngrade: true });
  assert.equal((await registry.current("org.example.counter"))?.version, "0.9.0");
});

test("other content under a version that is taken needs a yes, and the replaced image stays", async (t) => {
  const { dir, authority, registry } = await set(t);
  const first = await build(authority, join(dir, "one"));
  await registry.install(first);
  const second = await build(
    authority,
    join(dir, "two"),
    {},
    { "src/step.ts": "export const step = () => 5;\n" },
  );
  await assert.rejects(registry.install(second), code("REGISTRY_VERSION_TAKEN"));
  await registry.install(second, { replace: true });
  assert.equal((await registry.current("org.example.counter"))?.image, second.image.hash);
  assert.deepEqual(await registry.readImage(first.image.hash), first.image);
});

test("one flipped bit on the disk is noticed when the image is read, and the file is named", async (t) => {
  const { dir, authority, registry } = await set(t);
  const { image } = await registry.install(await build(authority, join(dir, "capsule")));
  const file = join(registry.dir, "images", image.slice(7), "impl/main.js");
  const bytes = readFileSync(file);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  chmodSync(file, 0o644);
  writeFileSync(file, bytes);
  chmodSync(file, 0o444);
  const [candidate] = await registry.candidates();
  assert.ok(candidate);
  await assert.rejects(candidate.read(), code("IMAGE_HASH_MISMATCH", /impl\/main\.js/));
});

test("an image that was damaged is whole again after it is installed again", async (t) => {
  const { dir, authority, registry } = await set(t);
  const verified = await build(authority, join(dir, "capsule"));
  await registry.install(verified);
  writeFileSync(join(registry.dir, "images", verified.image.hash.slice(7), "spec/extra.md"), "");
  await assert.rejects(
    registry.readImage(verified.image.hash),
    code("IMAGE_HASH_MISMATCH", /spec\/extra\.md/),
  );
  assert.equal((await registry.install(verified)).changed, true);
  assert.deepEqual(await registry.readImage(verified.image.hash), verified.image);
});

test("an image filed under another image's hash is refused", async (t) => {
  const { dir, authority, registry } = await set(t);
  const { image } = await registry.install(await build(authority, join(dir, "capsule")));
  const wrong = `sha256:${"0".repeat(64)}` as const;
  renameSync(join(registry.dir, "images", image.slice(7)), join(registry.dir, "images", wrong.slice(7)));
  await assert.rejects(registry.readImage(wrong), code("IMAGE_HASH_MISMATCH"));
});

test("an index that cannot be understood, or names what is no hash, is refused", async (t) => {
  const { registry } = await set(t);
  mkdirSync(registry.dir);
  const bad = [
    "{",
    "null",
    '{"schema_version":"v2","capsules":{}}',
    '{"schema_version":"v1","capsules":{"a":[{"version":"1.0.0","image":"sha256:../../..","state":"current","origin":""}]}}',
  ];
  for (const text of bad) {
    writeFileSync(join(registry.dir, "index.json"), text);
    await assert.rejects(registry.candidates(), code("REGISTRY_INDEX_BROKEN"), text);
  }
});

/** A process that reads and verifies, says so, and installs when it is told to. */
async function installer(
  t: TestContext,
  config: string,
  registry: string,
  capsules: readonly string[],
): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "installer.ts");
  const child = spawn(process.execPath, ["--conditions=source", script, config, registry, ...capsules], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const said = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  assert.equal(String(said[0]), "ready\n");
  return child;
}

test("two processes that install at once both have their capsules in the index", async (t) => {
  const { dir, authority, registry } = await set(t);
  const groups = await Promise.all(
    ["a", "b"].map(async (group) => {
      const dirs: string[] = [];
      for (let n = 0; n < 6; n += 1) {
        dirs.push(
          (await build(authority, join(dir, `${group}${n}`), { id: `org.example.${group}${n}` })).origin,
        );
      }
      return dirs;
    }),
  );
  const children = await Promise.all(
    groups.map((dirs) => installer(t, authority.configDir, registry.dir, dirs)),
  );
  const exits = children.map((child) => once(child, "exit"));
  for (const child of children) child.stdin?.write("go\n");
  for (const exit of exits) assert.deepEqual(await exit, [0, null]);
  assert.equal((await registry.list()).length, 12);
  for (const candidate of await registry.candidates()) await candidate.read();
});

test("an installer killed in the middle leaves nothing that counts, and the next one cleans up after it", async (t) => {
  const { dir, authority, registry } = await set(t);
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`spec/many/${n}.md`, `${n}`]));
  const verified = await build(authority, join(dir, "capsule"), {}, many);
  const images = join(registry.dir, "images");
  const child = await installer(t, authority.configDir, registry.dir, [verified.origin]);
  child.stdin?.write("go\n");
  while (!existsSync(images) || readdirSync(images).length === 0) await sleep(1);
  child.kill("SIGKILL");
  await once(child, "exit");
  const left = readdirSync(images);
  assert.equal(left.length, 1);
  assert.match(left[0] ?? "", /^\.tmp-/, "it was killed too late to show anything");
  assert.deepEqual(await registry.candidates(), []);
  await registry.install(verified);
  assert.deepEqual(readdirSync(images), [verified.image.hash.slice(7)]);
  assert.deepEqual(await registry.readImage(verified.image.hash), verified.image);
});

test("a disk that takes no more is told by name, and nothing is left of the attempt", async (t) => {
  const { dir, authority, registry } = await set(t);
  const big = { "spec/big.md": "x".repeat(64 * 1024) };
  const verified = await build(authority, join(dir, "capsule"), {}, big);
  // No file of this process may grow beyond 16 KiB: to the writer it is the same as a disk that is full.
  const limited = [
    "ulimit -f 32; exec",
    process.execPath,
    "--conditions=source",
    join(import.meta.dirname, "installer.ts"),
  ];
  const args = [authority.configDir, registry.dir, verified.origin];
  const child = spawn("sh", ["-c", [...limited, ...args].join(" ")], { stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
  child.stdin.write("go\n");
  const [status] = (await once(child, "exit")) as [number];
  assert.notEqual(status, 0);
  assert.match(said, /REGISTRY_WRITE_FAILED/);
  assert.match(said, /EFBIG/);
  assert.deepEqual(readdirSync(join(registry.dir, "images")), []);
  assert.deepEqual(await registry.list(), []);
  await registry.install(verified);
});

test("a registry that cannot be written to is told by name", async (t) => {
  const { dir, authority, registry } = await set(t);
  const verified = await build(authority, join(dir, "capsule"));
  mkdirSync(join(registry.dir, "lock"), { recursive: true });
  await assert.rejects(registry.install(verified), code("REGISTRY_WRITE_FAILED", /lock/));
});

test("a directory of capsules offers each one at most two levels down, and a linked one as refused", async (t) => {
  const { dir } = await set(t);
  writeCapsule(join(dir, "capsules/area/b"));
  writeCapsule(join(dir, "capsules/a"));
  writeCapsule(join(dir, "capsules/area/deeper/c"));
  symlinkSync(join(dir, "capsules/a"), join(dir, "capsules/link"));
  const candidates = await directorySource(join(dir, "capsules")).candidates();
  assert.deepEqual(
    candidates.map(({ origin }) => origin.slice(dir.length)),
    ["/capsules/a", "/capsules/area/b", "/capsules/link"],
  );
  assert.equal((await candidates[0]?.read())?.hash, (await readImage(join(dir, "capsules/a"))).hash);
  await assert.rejects(candidates[2]?.read() ?? Promise.resolve(), code("IMAGE_LINK_REFUSED"));
  const [itself, ...others] = await directorySource(join(dir, "capsules/a")).candidates();
  assert.deepEqual([itself?.origin, others], [join(dir, "capsules/a"), []]);
  await assert.rejects(directorySource(join(dir, "none")).candidates(), code("IMAGE_NOT_FOUND"));
});

test("an uninstalled capsule is no candidate any more, its image stays, and it can be installed again changed", async (t) => {
  const { dir, authority, registry } = await set(t);
  const first = await build(authority, join(dir, "one"));
  const id = (await registry.install(first)).id;
  await registry.uninstall(id);
  assert.equal(await registry.current(id), null);
  assert.deepEqual(await registry.candidates(), []);
  assert.ok(registry.has(first.image.hash));
  await assert.rejects(registry.uninstall(id), code("REGISTRY_CAPSULE_UNKNOWN"));
  const reopened = new LocalRegistry(join(dir, "registry"));
  const changed = await build(authority, join(dir, "two"), {}, { "spec/logic.md": "# Another\n" });
  assert.equal((await reopened.install(changed)).changed, true);
  assert.deepEqual(
    (await reopened.list()).map(({ state }) => state),
    ["removed", "current"],
  );
});
