/**
 * Two gateways on two real nodes with one ledger on a real server, and one key to the outside. A session may be taken up at
 * either; it is bound at one of them. A gateway that was frozen and comes back finds out that it has been replaced; one that is
 * emptied gives its sessions away.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json, JsonObject } from "@vnes/schemas";
import { openIdentity } from "../../kernel/drivers/device/src/powers/identity.ts";
import { startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { type Booted, Home } from "../cli/vnes.ts";
import { Control, type Reply } from "../crash/control.ts";

const LOOPBACK = "127.0.0.1";
const GROUPS = 4;
const FROZEN_MS = 10_000;
const ROUNDS = 40;
/** Far above what anything here needs; a test that waits this long has failed. */
const PATIENCE_MS = 30_000;
/** Every shard of the cluster lies with west: east may freeze and sessions are still decided. */
const OWNERS = { east: [], west: [0, 1, 2, 3] };
const OWNER_KEY = "b3duZXJvd25lcm93bmVyb3duZXJvd25lcm93bmVyb3c=";

interface Session {
  readonly state: string;
  readonly version: number;
  readonly epoch: number;
  readonly bindings: number;
  readonly binding: { readonly channelId: string; readonly pathId: string } | null;
}
interface Channels {
  readonly listeners: readonly { readonly port: number }[];
  readonly channels: readonly { readonly channelId: string; readonly active: boolean }[];
}
interface Running {
  readonly booted: Booted;
  readonly control: Control;
}

function homeOf(node: string, config: JsonObject): Home {
  const home = new Home();
  mkdirSync(join(home.dir, "config"), { recursive: true });
  writeFileSync(
    join(home.dir, "config", "config.json"),
    JSON.stringify({ schema_version: "v1", node, ...config }),
  );
  return home;
}

function gatewayOf(node: string, servers: readonly string[]): Home {
  const transport = {
    listen: [{ pathId: node, kind: "udp", address: LOOPBACK, port: 0 }],
    keepaliveMs: 40,
    silentMs: 160,
    deadMs: 60_000,
  };
  return homeOf(node, {
    bus: { servers: [...servers], groups: GROUPS },
    cluster: { owners: OWNERS },
    capsules: {
      run: ["vnes.vpn.gateway"],
      config: {
        "vnes.vpn.transport": transport,
        "vnes.vpn.gateway": { admit: "any", watchMs: 500, policy: { maxSwitchesPerMinute: 600 } },
      },
    },
  });
}

function keyFileOf(home: Home, node: string): string {
  return join(home.dir, "data", "nodes", node, "keys", "transport.key");
}

async function bootIn(home: Home): Promise<Running> {
  const booted = await home.boot("--log-level", "error");
  const control = await Control.connect(booted.ready.controlSocket);
  assert.ok(control !== undefined);
  return { booted, control };
}

async function ask<T>(
  { control }: Running,
  capability: string,
  method: string,
  input: Json = {},
): Promise<T> {
  const reply = await control.call(capability, method, input, 10_000);
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value as T;
}

/** To a node and to the hosts it started, as a machine that stops would. */
function signalTree(pid: number, signal: NodeJS.Signals): void {
  process.kill(pid, signal);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  for (const child of children === "" ? [] : children.split(" ")) signalTree(Number(child), signal);
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < deadline, `${what} did not happen`);
    await sleep(50);
  }
}

test("of two reattaches at once on two gateways exactly one wins; a frozen gateway that comes back lets go of what moved on, and so does one that is emptied (G5)", async () => {
  await using servers = await startNatsServers();
  await using eastHome = gatewayOf("east", servers.urls);
  await using westHome = gatewayOf("west", servers.urls);
  const { publicKey } = openIdentity(keyFileOf(eastHome, "east"));
  mkdirSync(join(keyFileOf(westHome, "west"), ".."), { recursive: true, mode: 0o700 });
  copyFileSync(keyFileOf(eastHome, "east"), keyFileOf(westHome, "west"));
  const [east, west] = await Promise.all([bootIn(eastHome), bootIn(westHome)]);

  await onlyOneWins(east, west);

  const candidates = await Promise.all(
    [east, west].map(async (gateway, index) => {
      const { listeners } = await ask<Channels>(gateway, "vpn.transport", "status");
      const port = listeners[0]?.port as number;
      const pathId = index === 0 ? "east" : "west";
      return { pathId, kind: "udp", address: LOOPBACK, port, priority: 10 * (index + 1) };
    }),
  );
  await using clientHome = homeOf("laptop", {
    capsules: {
      run: ["vnes.vpn.client"],
      config: {
        "vnes.vpn.transport": { keepaliveMs: 40, silentMs: 160 },
        "vnes.vpn.client": { gateway: Buffer.from(publicKey).toString("base64"), candidates },
      },
    },
  });
  const client = await bootIn(clientHome);
  await frozenAndBack({ east, west, client });
  for (const { control } of [east, west, client]) control.close();
});

/** What gateways ask of the session's owner, asked on both nodes at once. */
async function onlyOneWins(east: Running, west: Running): Promise<void> {
  const policy = { sessionTtlMs: 600_000, transportLossTtlMs: 600_000, maxSwitchesPerMinute: 600 };
  const { sessionId } = await ask<{ sessionId: string }>(east, "vpn.session", "create", {
    owner: OWNER_KEY,
    nonce: "creation-1",
    policy,
  });
  const identity = { sessionId, owner: OWNER_KEY };
  const to = (node: string, round: number): JsonObject => ({
    ...identity,
    nonce: `nonce-${node}-${round}`,
    channelId: `chn_${node}${round}`,
    pathId: node,
  });
  await ask(east, "vpn.session", "attach", to("east", 0));
  const wins = { east: 0, west: 0 };
  for (let round = 1; round <= ROUNDS; round += 1) {
    const before = await ask<Session>(west, "vpn.session", "get", { sessionId });
    const claim = { epoch: before.epoch, version: before.version };
    const answers = await Promise.all(
      (["east", "west"] as const).map(async (name) => {
        const input = { ...to(name, round), ...claim };
        const answer = await ask<{ outcome: string; reason: string }>(
          name === "east" ? east : west,
          "vpn.session",
          "reattach",
          input,
        );
        return { name, ...answer };
      }),
    );
    const [won, ...others] = answers.filter(({ outcome }) => outcome === "accepted");
    assert.ok(won !== undefined && others.length === 0, JSON.stringify(answers));
    assert.deepEqual(
      answers.filter(({ outcome }) => outcome !== "accepted").map(({ reason }) => reason),
      ["EPOCH_STALE"],
    );
    wins[won.name] += 1;
    const after = await ask<Session>(east, "vpn.session", "get", { sessionId });
    assert.deepEqual(
      [after.epoch, after.version, after.bindings, after.binding?.channelId],
      [before.epoch + 1, before.version + 1, 1, `chn_${won.name}${round}`],
    );
  }
  await ask(west, "vpn.session", "terminate", { sessionId, cause: "OPERATOR_TERMINATED" });
}

async function frozenAndBack({
  east,
  west,
  client,
}: {
  readonly east: Running;
  readonly west: Running;
  readonly client: Running;
}): Promise<void> {
  type Status = { mode: string; session: { id: string } | null; active: { pathId: string } | null };
  const steadyOver = (pathId: string) => async (): Promise<string | undefined> => {
    const { mode, session, active } = await ask<Status>(client, "vpn.client", "status");
    return mode === "steady" && active?.pathId === pathId ? session?.id : undefined;
  };
  const sessionId = await until("the session over east", steadyOver("east"));
  const channelsOf = async (gateway: Running): Promise<Channels["channels"]> =>
    (await ask<Channels>(gateway, "vpn.transport", "status")).channels;
  assert.equal((await channelsOf(east)).filter(({ active }) => active).length, 1);
  assert.deepEqual(await channelsOf(west), []);

  signalTree(east.booted.pid, "SIGSTOP");
  const frozenAt = performance.now();
  assert.equal(await until("the session over west", steadyOver("west")), sessionId);
  const taken = await ask<Session>(west, "vpn.session", "get", { sessionId });
  assert.deepEqual([taken.state, taken.epoch, taken.binding?.pathId], ["ATTACHED", 2, "west"]);
  await sleep(FROZEN_MS - (performance.now() - frozenAt));
  signalTree(east.booted.pid, "SIGCONT");

  await until("east lets go of the channel", async () => {
    const { sessions, counters } = await ask<{
      sessions: readonly { channelId: string | null }[];
      counters: { readonly [name: string]: number };
    }>(east, "vpn.gateway", "status");
    const isGone = sessions.every(({ channelId }) => channelId === null) && counters["movedAway"] === 1;
    return isGone && (await channelsOf(east)).length === 0 ? true : undefined;
  });
  // What east says of its channel after the fact changes nothing.
  await sleep(2_000);
  assert.deepEqual(await ask<Session>(west, "vpn.session", "get", { sessionId }), taken);
  assert.equal(await steadyOver("west")(), sessionId);

  // Emptied, west lets go of what it carries and takes nobody: the same session is at east again.
  await ask(west, "vpn.gateway", "drain", { on: true });
  assert.equal(await until("the session over east again", steadyOver("east")), sessionId);
  await until("west is empty", async () => ((await channelsOf(west)).length === 0 ? true : undefined));
  const back = await ask<Session>(east, "vpn.session", "get", { sessionId });
  assert.deepEqual([back.state, back.epoch, back.binding?.pathId], ["ATTACHED", 3, "east"]);
  for (const gateway of [east, west]) {
    const status = (await gateway.control.status()) as Extract<Reply, { ok: true }>;
    const { state, problems } = status.value as { readonly state: string; readonly problems: unknown[] };
    assert.deepEqual([state, problems], ["running", []]);
  }
}
