/**
 * A gateway whose kernel alone stands still: its transport is a process of its own and could go on for it. It does for the
 * time of its lease, says goodbye, and is silent until the kernel is heard again; the session is the same afterwards.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BEAT_MS, LEASE_MS } from "../../kernel/drivers/device/src/lease.ts";
import { Home } from "../cli/vnes.ts";
import type { Child } from "../demo/children.ts";
import { ask, boot, clientConfig, clientOf, gatewayConfig, transportOf } from "../demo/nodes.ts";

const LOOPBACK = "127.0.0.1";
/** Far above what anything here needs; a test that waits this long has failed. */
const PATIENCE_MS = 20_000;
const STREAM_MS = 20;
/** A busy machine runs timers late. */
const SLACK_MS = 2_000;

test("a transport whose kernel stands still falls silent with its lease, tells its peers, and takes the session up again with the kernel", async () => {
  const home = await mkdtemp(join(tmpdir(), "vnes-still-"));
  await using shell = new Home();
  const children: Child[] = [];
  const onDeath = (name: string, tail: string): never => assert.fail(`${name}: ${tail}`);
  let arrivedAt = 0;
  const target = createSocket("udp4", () => {
    arrivedAt = performance.now();
  });
  target.bind(0, LOOPBACK);
  await once(target, "listening");
  const app = createSocket("udp4");
  let stream: NodeJS.Timeout | undefined;
  let frozen: number | undefined;
  try {
    const parts = { home, onDeath };
    const settings = gatewayConfig(target.address().port);
    const gateway = await boot({ ...parts, name: "gateway", run: ["vnes.vpn.gateway"], config: settings });
    children.push(gateway.child);
    const { publicKey, listeners } = await transportOf(gateway);
    const config = clientConfig(publicKey, listeners);
    const client = await boot({ ...parts, name: "client", run: ["vnes.vpn.client"], config });
    children.push(client.child);
    const steady = async (): Promise<string | undefined> => {
      const { mode, session } = await clientOf(client);
      return mode === "steady" ? session?.id : undefined;
    };
    const id = await until("the session is attached", steady);
    const { pipe } = await transportOf(client);
    stream = setInterval(() => app.send("packet", pipe.listen?.port ?? 0, LOOPBACK), STREAM_MS);
    await until("packets arrive", async () => (arrivedAt > 0 ? true : undefined));

    // For a moment nothing is lost by it.
    process.kill(gateway.child.pid, "SIGSTOP");
    frozen = gateway.child.pid;
    const since = performance.now();
    await sleep(2 * BEAT_MS);
    assert.ok(performance.now() - arrivedAt < BEAT_MS, "the transport goes on for the time of its lease");
    assert.equal(await steady(), id);

    const lost = await until("the client is told", async () => {
      const { recent } = await ask<{
        recent: { event: string; reason: string; evidence: { detail?: string } }[];
      }>(client, "vpn.client", "status");
      return recent.find(({ event, evidence }) => event === "lost" && evidence.detail !== undefined);
    });
    assert.deepEqual([lost.reason, lost.evidence.detail], ["CHANNEL_CLOSED", "peerClosed: leaseLost"]);
    await sleep(SLACK_MS);
    const lastMs = arrivedAt - since;
    assert.ok(
      lastMs > LEASE_MS - 2 * BEAT_MS && lastMs < LEASE_MS + SLACK_MS,
      `last packet after ${lastMs} ms`,
    );
    const told = await shell.run("session", "explain", id, "--config", join(home, "client", "config.json"));
    assert.match(
      told.out,
      /is recovering[\s\S]*CHANNEL_CLOSED; [^)]*peerClosed: leaseLost/,
      told.out + told.err,
    );

    process.kill(gateway.child.pid, "SIGCONT");
    frozen = undefined;
    assert.equal(await until("the session is attached again", steady), id);
    const back = performance.now();
    await until("packets arrive again", async () => (arrivedAt > back ? true : undefined));
    const { counters } = await ask<{ counters: { readonly [name: string]: number } }>(
      gateway,
      "vpn.transport",
      "status",
    );
    assert.equal(counters["leaseLost"], 1);
    assert.ok((counters["udpError.LEASE_LOST"] ?? 0) > 0, "what came meanwhile was dropped and counted");
    const flags = ["--config", join(home, "gateway", "config.json")];
    const history = await shell.run("session", "history", id, ...flags);
    assert.match(history.out, /ATTACHED -> RECOVERING +TRANSPORT_LOST .*reason=leaseLost/);
  } finally {
    if (frozen !== undefined) process.kill(frozen, "SIGCONT");
    clearInterval(stream);
    for (const child of children.toReversed()) await child.end();
    target.close();
    app.close();
    await rm(home, { recursive: true, force: true });
  }
});

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < deadline, `${what}: did not happen`);
    await sleep(50);
  }
}
