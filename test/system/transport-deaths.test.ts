/**
 * Two real nodes, two real relays; the relay that carries the session is killed, 100 times in turn, and started again.
 * What the session's owner recorded is then read from the gateway's ledger: one identity, versions without a gap, never
 * two bindings.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { replayShard } from "@vnes/kernel";
import { DirectoryImageArchive, nodeDigest } from "@vnes/registry";
import type { Json } from "@vnes/schemas";
import { type Child, start } from "../demo/children.ts";
import { boot, clientConfig, clientOf, gatewayConfig, transportOf } from "../demo/nodes.ts";
import type { ClientStatus } from "../vpn/said.ts";

const RELAY = fileURLToPath(new URL("../demo/relay.ts", import.meta.url));
const DEATHS = 100;
/** Far above what a switch needs; a test that waits this long has failed. */
const PATIENCE_MS = 20_000;
/** A new isolate costs milliseconds. */
const FRESH_RECORDS = 40;
const LIMITS = { memoryMb: 64, turnMs: 2_000, cacheBytes: 8 * 1024 * 1024, effectBytes: 1024 * 1024 };
const POLICY = { maxSwitchesPerMinute: 600 };

interface Config {
  readonly [capsule: string]: Json;
}

const withPolicy = (config: Config, capsule: string, policy: Json): Config => ({
  ...config,
  [capsule]: { ...(config[capsule] as { readonly [name: string]: Json }), policy },
});

test(`a session outlives ${DEATHS} deaths of its transport, and every turn of it is the same again in fresh isolates`, async () => {
  const home = await mkdtemp(join(tmpdir(), "vnes-deaths-"));
  const children: Child[] = [];
  const dead: string[] = [];
  const onDeath = (name: string, tail: string): number => dead.push(`${name}: ${tail}`);
  try {
    const gatewaySettings = withPolicy(gatewayConfig(9), "vnes.vpn.gateway", POLICY);
    const gateway = await boot({
      home,
      name: "gateway",
      run: ["vnes.vpn.gateway"],
      config: gatewaySettings,
      onDeath,
    });
    children.push(gateway.child);
    const { publicKey, listeners } = await transportOf(gateway);
    const relays = new Map<string, Child>();
    const raise = async (kind: string, from: number, to: number): Promise<number> => {
      const args = [kind, String(from), "127.0.0.1", String(to)];
      const child = await start({ name: `${kind} relay`, file: RELAY, args, onDeath });
      relays.set(kind, child);
      return (JSON.parse(child.ready) as { readonly port: number }).port;
    };
    const paths: { readonly pathId: string; readonly kind: string; readonly port: number }[] = [];
    const targets = new Map<string, { readonly from: number; readonly to: number }>();
    for (const { kind, port } of listeners) {
      const from = await raise(kind, 0, port);
      targets.set(kind, { from, to: port });
      paths.push({ pathId: kind, kind, port: from });
    }
    const clientSettings = withPolicy(clientConfig(publicKey, paths), "vnes.vpn.client", {
      ...POLICY,
      cooldownMs: 0,
    });
    const client = await boot({
      home,
      name: "client",
      run: ["vnes.vpn.client"],
      config: clientSettings,
      onDeath,
    });
    children.push(client.child);

    const attached = async (other: string): Promise<ClientStatus> => {
      const giveUpAt = Date.now() + PATIENCE_MS;
      for (;;) {
        const status = await clientOf(client);
        if (status.session?.state === "ATTACHED" && status.active !== null && status.active.pathId !== other)
          return status;
        assert.ok(Date.now() < giveUpAt, `no other path than ${other}: ${JSON.stringify(status)}`);
        await new Promise((resume) => setTimeout(resume, 10));
      }
    };

    let status = await attached("");
    const id = status.session?.id;
    assert.ok(id);
    for (let death = 1; death <= DEATHS; death++) {
      const path = status.active?.pathId ?? "";
      await relays.get(path)?.end();
      const next = await attached(path);
      assert.equal(next.session?.id, id, `death ${death}`);
      assert.ok((next.session?.epoch ?? 0) > (status.session?.epoch ?? 0), `death ${death}: the epoch rose`);
      status = next;
      const target = targets.get(path);
      assert.ok(target);
      await raise(path, target.from, target.to);
    }
    for (const child of [...children.reverse(), ...relays.values()]) await child.end();
    assert.deepEqual(dead, []);
    await assertHistory(join(home, "gateway", "data", "ledger.sqlite"), id);
    for (const name of ["gateway", "client"]) await assertReplay(join(home, name, "data"));
  } finally {
    for (const child of children) await child.end();
    await rm(home, { recursive: true, force: true });
  }
});

interface SessionEvent {
  readonly sessionId: string;
  readonly version: number;
  readonly to: string;
  readonly bindings: number;
  readonly epoch: number;
}

async function assertHistory(path: string, id: string): Promise<void> {
  await using ledger = await openSqliteLedgerStore({ path });
  const shard = (await ledger.shards()).find((name) => name.startsWith("topic/vpn.session.v1/"));
  assert.ok(shard);
  const events: SessionEvent[] = [];
  for (let from = 1; ; ) {
    const page = await ledger.read(shard, from, 1_000);
    for (const { bytes } of page) {
      const { event } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly event: SessionEvent };
      events.push(event);
    }
    if (page.length < 1_000) break;
    from += page.length;
  }
  assert.deepEqual([...new Set(events.map(({ sessionId }) => sessionId))], [id]);
  assert.ok(events.length > 2 * DEATHS, `${events.length} transitions`);
  events.forEach(({ version, bindings }, index) => {
    const before = events[index - 1]?.version;
    if (before !== undefined) assert.equal(version, before + 1, `transition ${index}`);
    assert.ok(bindings <= 1, `transition ${index}: ${bindings} bindings`);
  });
}

/** What every capsule did is the same again: in one isolate, and in a fresh one for each turn. */
async function assertReplay(dataDir: string): Promise<void> {
  await using ledger = await openSqliteLedgerStore({ path: join(dataDir, "ledger.sqlite") });
  await using sandbox = openHostSandbox(isolateExecutor);
  const archive = new DirectoryImageArchive(join(dataDir, "images"));
  const shards = (await ledger.shards()).filter((name) => name.startsWith("vnes."));
  assert.ok(shards.length >= 2, shards.join(", "));
  for (const shard of shards) {
    const parts = {
      ledger,
      sandbox,
      shard,
      digest: nodeDigest,
      imageOf: async (hash: string) => {
        const image = await archive.get(hash);
        assert.ok(image, `${hash} was kept`);
        return image;
      },
      specOf: () =>
        ({ language: "javascript", entry: "impl/main.js", zone: "system", limits: LIMITS }) as const,
    };
    const last = await ledger.lastSeq(shard);
    for (const options of [{}, { fresh: true, to: Math.min(FRESH_RECORDS, last) }]) {
      const replayed = await replayShard(parts, options);
      assert.ok(replayed.turns > 0, shard);
      assert.equal(replayed.difference, null, `${shard}, ${"fresh" in options ? "fresh" : "kept"}`);
      assert.equal(replayed.replayedHash, replayed.recordedHash);
    }
  }
}
