/** A node whose ledger is on a NATS server: boot, status, doctor, restarts of either side, a second owner, a lost lease. */
import assert from "node:assert/strict";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { checkControlResult } from "@vnes/schemas";
import { type NatsServers, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { type Booted, Home } from "./vnes.ts";

/** The lease is 15 s; a node that runs alone on this machine notices within moments. */
const LEASE_NOTICED_MS = 20_000;

interface Status {
  readonly state: string;
  readonly problems: readonly { readonly code: string }[];
  readonly bus?: { readonly servers: readonly string[]; readonly connected: boolean };
  readonly ledger: { readonly records: number };
}

let home: Home;
let servers: NatsServers;
let node: Booted;

before(async () => {
  home = new Home();
  servers = await startNatsServers();
  node = await home.boot("--bus", servers.urls.join());
});
after(async () => {
  await home[Symbol.asyncDispose]();
  await servers[Symbol.asyncDispose]();
});

async function statusWith(isIt: (status: Status) => boolean, withinMs: number): Promise<Status> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { out } = await home.run("status", "-o", "json");
    const status = JSON.parse(out) as Status;
    if (isIt(status) || performance.now() > deadline) return status;
    await sleep(200);
  }
}

test("status names the bus", async () => {
  const status = await home.json<Status>("status");
  assert.equal(status.state, "running");
  assert.deepEqual(status.bus?.servers, servers.urls);
  assert.equal(status.bus.connected, true);
  assert.equal(checkControlResult("status", status), undefined);
});

test("doctor says what the server promises and what it does not", async () => {
  const { findings } = await home.json<{
    findings: { check: string; state: string; found: string }[];
  }>("doctor", "--bus", servers.urls.join());
  const found = new Map(findings.map((finding) => [finding.check, finding]));
  assert.match(found.get("bus")?.found ?? "", /^nats-server \d+\.\d+\.\d+ .* alone$/);
  assert.match(found.get("bus streams")?.found ?? "", /on files, 1 copy of each/);
  assert.match(found.get("bus durability")?.found ?? "", /power cut only with sync_interval: always/);
  assert.match(found.get("bus room")?.found ?? "", /hangs until it is restarted/);
  assert.equal(found.get("bus clock")?.state, "ok");
});

test("doctor names a server that is not there; credentials are refused as an argument and not repeated", async () => {
  const nobody = await home.run("doctor", "--bus", "nats://127.0.0.1:1");
  assert.notEqual(nobody.code, 0);
  assert.match(nobody.out, /BUS_UNREACHABLE/);
  const idle = await home.run("doctor", "--bus", servers.urls.join(), "--node", "other");
  assert.match(idle.out, new RegExp(`not running +vnes boot --node other --bus ${servers.urls.join()}`));
  const hidden = await home.run("doctor", "--bus", "nats://me:hush@127.0.0.1:1", "--node", "other");
  assert.doesNotMatch(hidden.err + hidden.out, /hush/);
  const secret = await home.run("boot", "--bus", "nats://me:hush@127.0.0.1:1", "--node", "other");
  assert.equal(secret.code, 2);
  assert.match(secret.err, /BUS_ADDRESS_INVALID/);
  assert.doesNotMatch(secret.err + secret.out, /hush/);
});

test("a server of small messages: doctor says what it takes and what to set, and one that takes too little is refused by name", async () => {
  await using small = await startNatsServers({ extra: "max_payload: 16384" });
  const { findings } = await home.json<{
    findings: { check: string; state: string; found: string; next: string }[];
  }>("doctor", "--bus", small.urls.join());
  const size = findings.find(({ check }) => check === "bus message size");
  assert.deepEqual(
    [size?.state, size?.found, size?.next],
    ["note", "16384 bytes: many parts", "set max_payload: 1MB on every server"],
  );
  await small.stop();
  await small.start(0, "max_payload: 16383");
  for (const command of ["boot", "doctor"]) {
    const { code, out, err } = await home.run(command, "--bus", small.urls.join(), "--node", "other");
    assert.equal(code, 1, err);
    assert.match(
      out + err,
      /BUS_PAYLOAD_TOO_SMALL.* 16383 bytes at most[\s\S]*set max_payload: 1MB on every server/,
    );
  }
});

test("a server that takes the connection and never speaks is named, and the command ends", async () => {
  const held = new Set<Socket>();
  const silent = createServer((socket) => held.add(socket));
  await new Promise<void>((listening) => silent.listen(0, "127.0.0.1", listening));
  const { port } = silent.address() as AddressInfo;
  for (const command of ["boot", "doctor"]) {
    const { code, out, err } = await home.run(
      command,
      "--bus",
      `nats://127.0.0.1:${port}`,
      "--node",
      "other",
    );
    assert.equal(code, 1, `${command}: ${err}`);
    assert.match(out + err, /BUS_UNREACHABLE/);
  }
  for (const socket of held) socket.destroy();
  silent.close();
});

test("doctor says which copies that are asked for the streams do not have, before the first boot and after it", async () => {
  const config = join(home.dir, "three.json");
  for (const [namespace, found] of [
    ["main", /1 copy of each, not 3/],
    ["none", /none yet; .*needs a cluster for 3 copies/],
  ] as const) {
    const bus = { servers: servers.urls, replicas: 3, namespace };
    writeFileSync(config, JSON.stringify({ schema_version: "v1", node: "local", bus }));
    const { code, out } = await home.run("doctor", "--config", config, "-o", "json");
    assert.equal(code, 1, out);
    const { findings } = JSON.parse(out) as { findings: { check: string; state: string; found: string }[] };
    const streams = findings.find(({ check }) => check === "bus streams");
    assert.equal(streams?.state, "failed");
    assert.match(streams.found, found);
  }
});

test("a ledger on NATS is no file to verify, and neither is one that was there before silently taken for it", async () => {
  for (const place of [[], ["nats://me:hush@127.0.0.1:1"]]) {
    const { code, err } = await home.run("ledger", "verify", ...place);
    assert.equal(code, 2, err);
    assert.match(err, /LEDGER_NOT_A_FILE/);
    assert.ok(!err.includes("hush"), err);
  }
  const dataDir = join(home.dir, "both");
  const own = await home.boot("--node", "both", "--data-dir", dataDir);
  await own.kill("SIGTERM");
  writeFileSync(join(dataDir, "instance"), "");
  const { code, err } = await home.run("ledger", "verify", "--node", "both", "--data-dir", dataDir);
  assert.equal(code, 0, err);
  assert.match(err, /node both has had a ledger on NATS too/);
});

test("a node of another name is told who owns the ledger", async () => {
  const other = await home.run("boot", "--bus", servers.urls.join(), "--node", "other");
  assert.equal(other.code, 7, other.err);
  assert.match(other.err, /LEDGER_IN_USE/);
  assert.match(other.err, /node local/);
});

test("a second process on the same directory is refused, and a copy of the directory is somebody else", async () => {
  const { dataDir, controlSocket } = node.ready;
  rmSync(controlSocket);
  const second = await home.run("boot", "--bus", servers.urls.join());
  assert.equal(second.code, 7, second.err);
  assert.match(second.err, new RegExp(`LEDGER_IN_USE .*/lock is in use by .*pid ${node.pid}`));
  const copy = `${dataDir}-copy`;
  cpSync(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  const other = await home.run("boot", "--bus", servers.urls.join(), "--data-dir", copy);
  assert.equal(other.code, 7, other.err);
  assert.match(other.err, /LEDGER_IN_USE .* node local/);
  await node.kill("SIGTERM");
  node = await home.boot("--bus", servers.urls.join());
  const status = await home.json<Status>("status");
  assert.equal(status.state, "running");
});

test("a node that was killed goes on where it was, and so does one whose server was killed", async () => {
  const before = await home.json<Status>("status");
  await node.kill("SIGKILL");
  node = await home.boot("--bus", servers.urls.join());
  const restarted = await home.json<Status>("status");
  assert.ok(restarted.ledger.records > before.ledger.records);
  await servers.kill();
  await servers.start();
  const again = await statusWith(({ bus, state }) => bus?.connected === true && state === "running", 10_000);
  assert.equal(again.state, "running");
});

test("while the server hangs beyond the lease nothing acts outside; afterwards all goes on", async () => {
  servers.freeze();
  const lost = await statusWith(
    ({ problems }) => problems.some(({ code }) => code === "LEDGER_LEASE_LOST"),
    LEASE_NOTICED_MS,
  );
  assert.equal(lost.state, "degraded");
  assert.ok(lost.problems.some(({ code }) => code === "LEDGER_LEASE_LOST"));
  const refused = await home.run("call", "vpn.transport", "status");
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /LEDGER_(LEASE_LOST|UNREACHABLE)/);
  servers.thaw();
  const back = await statusWith(({ state }) => state === "running", 15_000);
  assert.deepEqual(back.problems, []);
  const answered = await home.run("call", "vpn.transport", "status");
  assert.equal(answered.code, 0, answered.err);
});
