import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { DeviceSpec } from "@vnes/kernel";
import { deviceContract } from "../../../contracts/device.ts";
import { openDevice } from "../src/index.ts";
import { parseFromDevice } from "../src/messages.ts";
import { openIdentity } from "../src/powers/identity.ts";
import { driverImage } from "./image.ts";

const temporary = () => mkdtemp(join(tmpdir(), "vnes-device-"));

deviceContract({
  name: "device host",
  async open() {
    const dataDir = await temporary();
    return {
      device: openDevice({ dataDir }),
      cleanup: () => rm(dataDir, { recursive: true, force: true }),
    };
  },
  image: driverImage,
  async kill(_device, instance) {
    process.kill((await instance.meters()).pid, "SIGKILL");
  },
  supports: { process: true },
});

const bundleOf = (start: string) =>
  `var capsule = { default: { start: async (powers, config) => { ${start} } } };`;
const specOf = (bundle: string, more: Partial<DeviceSpec> = {}): DeviceSpec => ({
  instance: "test.probe/0",
  image: driverImage(bundle),
  entry: "impl/main.js",
  powers: [],
  config: null,
  onPublish: () => {},
  onLog: () => {},
  onDeath: () => {},
  ...more,
});
const askOf = (method: string) => ({ callId: "c", capability: "probe", method, input: null });

test("a capsule that is no driver gets no process", async () => {
  await using device = openDevice({ dataDir: "/nonexistent" });
  const spec = { ...specOf("var capsule = {};"), image: driverImage("var capsule = {};", "logic") };
  await assert.rejects(device.open(spec), { code: "DEVICE_CAPSULE_NOT_DRIVER" });
});

test("a driver that throws where nobody catches dies, and its death says why", async () => {
  await using device = openDevice({ dataDir: "/nonexistent" });
  const { promise, resolve } = Promise.withResolvers<string>();
  const bundle = bundleOf(`return {
    call: () => { powers.clock.setTimer(0, () => { throw new Error("bug on purpose"); }); return new Promise(() => {}); },
    stop: () => {} };`);
  const instance = await device.open(specOf(bundle, { onDeath: resolve }));
  const answer = await instance.call(askOf("boom"));
  assert.ok(!answer.ok && answer.code === "DEVICE_DIED");
  assert.match(await promise, /bug on purpose/);
});

test("the process sees no environment and no argument that is a secret", async () => {
  const dataDir = await temporary();
  await using device = openDevice({ dataDir });
  const bundle = bundleOf("return { call: () => ({ ok: true, value: null }), stop: () => {} };");
  const instance = await device.open(specOf(bundle, { powers: ["identity"], config: { secret: "s3cret" } }));
  const { pid } = await instance.meters();
  const [commandLine, environment] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, "utf8"),
    readFile(`/proc/${pid}/environ`, "utf8"),
  ]);
  assert.doesNotMatch(commandLine, /s3cret|transport\.key/);
  assert.doesNotMatch(environment, /HOME|PATH|USER|s3cret/);
  await rm(dataDir, { recursive: true, force: true });
});

test("the node's key is made once, is its user's alone, and stays the same", async () => {
  const dataDir = await temporary();
  const file = join(dataDir, "keys", "transport.key");
  const first = openIdentity(file);
  const again = openIdentity(file);
  assert.deepEqual(again.publicKey, first.publicKey);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await stat(join(dataDir, "keys"))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(dataDir, "keys")), ["transport.key"], "no half-made file is left");
  const other = openIdentity(join(dataDir, "keys", "other.key"));
  assert.deepEqual(first.agree(other.publicKey), other.agree(first.publicKey));
  await rm(dataDir, { recursive: true, force: true });
});

test("a key that others may read, or that is no key, is refused by name and not replaced", async () => {
  const dataDir = await temporary();
  const file = join(dataDir, "transport.key");
  openIdentity(file);
  await chmod(file, 0o644);
  assert.throws(() => openIdentity(file), { code: "DEVICE_KEY_PERMISSIONS" });
  await chmod(file, 0o600);
  await writeFile(file, "not a key\n");
  assert.throws(
    () => openIdentity(file),
    (error: Error) => {
      assert.equal((error as { code?: string }).code, "DEVICE_KEY_UNREADABLE");
      return !/not a key\n/.test(error.message);
    },
  );
  assert.equal(await readFile(file, "utf8"), "not a key\n");
  await rm(dataDir, { recursive: true, force: true });
});

test("a driver whose key cannot be used does not start, and says which file", async () => {
  const dataDir = await temporary();
  openIdentity(join(dataDir, "keys", "transport.key"));
  await chmod(join(dataDir, "keys", "transport.key"), 0o640);
  await using device = openDevice({ dataDir });
  const bundle = bundleOf("return { call: () => null, stop: () => {} };");
  await assert.rejects(device.open(specOf(bundle, { powers: ["identity"] })), {
    code: "DEVICE_KEY_PERMISSIONS",
    message: /transport\.key/,
  });
  await rm(dataDir, { recursive: true, force: true });
});

test("only what is a message of the protocol is believed", () => {
  const good = [
    { did: "start" },
    { did: "answer", id: 1, answer: { ok: true, value: null } },
    { did: "answer", id: 1, answer: { ok: false, code: "X", message: "x" } },
    { did: "publish", topic: "a.v1", key: "", event: {} },
    { did: "log", line: { level: "info", message: "m" } },
    { did: "meters", id: 2, memoryBytes: 1, cpuMs: 1 },
  ];
  for (const message of good) assert.deepEqual(parseFromDevice(message), message);
  const bad = [
    null,
    "start",
    [],
    { did: "dance" },
    { did: "answer", id: "1", answer: { ok: true, value: 1 } },
    { did: "answer", id: 1, answer: { ok: true } },
    { did: "answer", id: 1 },
    { did: "publish", topic: 1, key: "", event: {} },
    { did: "publish", topic: "a", key: "" },
    { did: "log", line: { level: "shout", message: "m" } },
    { did: "meters", id: 2, memoryBytes: "1", cpuMs: 1 },
    { did: "fail", code: "X", message: "x", details: [] },
  ];
  for (const message of bad) assert.equal(parseFromDevice(message), null, JSON.stringify(message));
});
