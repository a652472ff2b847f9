/**
 * A node whose ledger is on three servers, and the server that leads the stream of its ledger group. Which one that is, is asked
 * before: it is that one that is killed, and that one that is cut off from the two others while the node goes on talking to it.
 * In the end the whole ledger is held to the rules of `test/history`.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { openBus } from "@vnes/driver-nats";
import { ClusterRelays } from "../../kernel/drivers/nats/test/cluster-relays.ts";
import { type NatsServers, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import type { Booted, Home } from "../cli/vnes.ts";
import { Acknowledgements } from "../crash/acknowledgements.ts";
import type { Control, Reply } from "../crash/control.ts";
import { checkHistory } from "../crash/history.ts";
import { openLeft } from "../crash/ledger-place.ts";
import { startLoad } from "../crash/load.ts";
import { compareRound } from "../crash/run.ts";
import { bootCrash, controlOf, crashCapsules, crashHome } from "./crash-home.ts";

const NODE = "lone";
/** One for the capsules' shards and the topics, and the node's own. */
const GROUPS = 1;
const STREAM = "VNES_main_LEDGER_g0";
/** Far above an election, which takes up to nine seconds. */
const PATIENCE_MS = 30_000;
const CALLS = 600;
const BEFORE_THE_KILL = 200;
/** While the leader is cut off. */
const IN_DOUBT = 16;

const relays = new ClusterRelays();
let servers: NatsServers;
let home: Home;
let record: Acknowledgements;

before(async () => {
  servers = await startNatsServers({ count: 3, through: async (ports) => await relays.open(ports) });
  home = await crashHome({ node: NODE, bus: { servers: [...servers.urls], groups: GROUPS } });
  record = new Acknowledgements(join(home.dir, "acknowledgements.log"));
});
after(async () => {
  record[Symbol.dispose]();
  await home[Symbol.asyncDispose]();
  await servers[Symbol.asyncDispose]();
  await relays[Symbol.asyncDispose]();
});

test("the server that leads a ledger group is killed under load: under the next leader turns go on, and each call is answered once", async () => {
  const node = await bootCrash(home);
  const control = await controlOf(node);
  const load = startLoad(control, record, "r1", CALLS);
  await load.acknowledgedAtLeast(BEFORE_THE_KILL);
  const leader = await leaderAmong([0, 1, 2]);
  assert.ok(load.inFlight > 0, "it is killed under load");
  await servers.kill(leader);
  const next = await leaderAmong(others(leader));
  assert.notEqual(next, leader);
  await load.ended;
  assert.equal(load.acknowledged, CALLS, JSON.stringify([...load.refused]));
  assert.equal(await compareRound(control, record, "r1"), undefined);
  await servers.start(leader);
  await endWell(node, control);
});

test("a leader cut off from the two others acknowledges nothing; once it is back nothing is lost or there twice", async () => {
  const { node, leader } = await bootAtLeader();
  const control = await controlOf(node);
  const add = async (number: number): Promise<Reply> => {
    const id = `r2-${number}`;
    record.send("r2", [id]);
    const reply = await control.call("crash.intake", "add", { id }, PATIENCE_MS);
    if (reply.ok) record.acknowledge("r2", [id]);
    return reply;
  };
  assert.ok((await add(0)).ok);

  relays.cutOff(leader);
  const ends: Reply[] = [];
  const inDoubt = Array.from({ length: IN_DOUBT }, async (_, index) => {
    ends.push(await add(1 + index));
  });
  const next = await leaderAmong(others(leader));
  assert.notEqual(next, leader);
  assert.equal((await busOf(control)).connected, true, "the node still talks to the one that is cut off");
  assert.deepEqual(ends, [], "nothing is acknowledged through it");

  relays.mend();
  await Promise.all(inDoubt);
  assert.deepEqual(
    ends.filter(({ ok }) => !ok),
    [],
  );
  const last = await add(1 + IN_DOUBT);
  assert.ok(last.ok, JSON.stringify(last));
  assert.equal(await compareRound(control, record, "r2"), undefined);
  await endWell(node, control);
});

function others(leader: number): readonly number[] {
  return [0, 1, 2].filter((server) => server !== leader);
}

/** A node reaches the servers through the leader, which leads still when it runs. */
async function bootAtLeader(): Promise<{ readonly node: Booted; readonly leader: number }> {
  for (;;) {
    const leader = await leaderAmong([0, 1, 2]);
    const node = await bootCrash(home, "--bus", servers.urls[leader] as string);
    if ((await leaderAmong([0, 1, 2])) === leader) return { node, leader };
    await node.kill("SIGTERM");
  }
}

/** As those that are asked say; they must agree that it is one of them. */
async function leaderAmong(asked: readonly number[]): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const name = (await leaderAt(asked[0] as number)) ?? "";
    const leader = Number(name.slice(1));
    if (name !== "" && asked.includes(leader)) return leader;
    assert.ok(performance.now() < deadline, "nobody leads the stream");
    await sleep(100);
  }
}

/** Undefined while nobody answers for the stream. */
async function leaderAt(server: number): Promise<string | undefined> {
  await using bus = await openBus({ servers: [servers.urls[server] as string], node: "onlooker" });
  const jsm = await jetstreamManager(bus.connection, { checkAPI: false, timeout: 1_000 });
  const info = await jsm.streams.info(STREAM).catch(() => undefined);
  return info?.cluster?.leader;
}

async function busOf(control: Control): Promise<{ readonly connected: boolean }> {
  const reply = await control.status();
  assert.ok(reply.ok);
  return (reply.value as { readonly bus: { readonly connected: boolean } }).bus;
}

/** The node is well, no call was answered twice, and what it leaves is held to the rules. */
async function endWell(node: Booted, control: Control): Promise<void> {
  const { state, problems } = await home.json<{ state: string; problems: unknown[] }>("status");
  assert.deepEqual([state, problems], ["running", []]);
  assert.equal(control.strays, 0);
  control.close();
  assert.equal(await node.kill("SIGTERM"), 0);
  await using ledger = await openLeft(servers.urls, NODE, node.ready.dataDir, GROUPS);
  const history = await checkHistory(ledger.store, crashCapsules(home), record.all());
  assert.deepEqual([history.problems, history.trimmed], [[], []]);
  assert.ok(history.records > 0);
}
