/** One program over two real nodes on one real server: capsules, calls and topics across, and each node killed in turn. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ledgerGroupOf } from "@vnes/kernel";
import { startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { Home } from "../cli/vnes.ts";
import type { Control, Reply } from "../crash/control.ts";
import { bootCrash, controlOf, crashHome } from "./crash-home.ts";

/** Both ways of both kinds: each node has a capsule, and a partition that the other publishes to or reads from. */
const PLACES = {
  east: ["crash.intake/0", "topic/crash.added.v1/1"],
  west: ["crash.tally/0", "topic/crash.added.v1/0"],
};
/** So few that each of the shards above has one of its own. */
const GROUPS = 7;
const IDS = 240;
const SETTLE_TIMEOUT_MS = 60_000;

type Name = keyof typeof PLACES;
type Counts = { readonly [path: string]: { readonly [id: string]: number } };

function owners(): { readonly [node in Name]: readonly number[] } {
  const west = new Set(PLACES.west.map(groupOf));
  for (const shard of PLACES.east) assert.ok(!west.has(groupOf(shard)), `${shard} has a group of its own`);
  const all = Array.from({ length: GROUPS }, (_, group) => group);
  return { east: all.filter((group) => !west.has(group)), west: [...west] };
}

function groupOf(shard: string): number {
  return Number(ledgerGroupOf(shard, GROUPS).slice(1));
}

async function homeOf(node: Name, servers: readonly string[]): Promise<Home> {
  return await crashHome({
    node,
    bus: { servers: [...servers], groups: GROUPS },
    cluster: { owners: { east: [...owners().east], west: [...owners().west] } },
  });
}

async function countsOf(control: Control): Promise<Counts> {
  const ask = async (capability: string): Promise<object> => {
    const reply = (await control.call(capability, "counts", { round: "r1" }, 5_000)) as Reply & {
      value?: object;
    };
    return reply.value ?? {};
  };
  return { ...(await ask("crash.intake")), ...(await ask("crash.tally")) } as Counts;
}

/** A node that waits for its server says so, and goes on by itself. */
async function untilRunning(home: Home): Promise<void> {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const { out } = await home.run("status", "-o", "json");
    if ((JSON.parse(out) as { readonly state: string }).state === "running") return;
    assert.ok(performance.now() < deadline, out);
    await sleep(100);
  }
}

test("calls and events cross two nodes once, though each node is killed, and then the server", async () => {
  await using servers = await startNatsServers();
  await using east = await homeOf("east", servers.urls);
  await using west = await homeOf("west", servers.urls);
  let [inEast, inWest] = await Promise.all([bootCrash(east), bootCrash(west)]);
  let control = await controlOf(inEast);
  const acknowledged = new Set<string>();
  const asked: Promise<void>[] = [];
  const add = (n: number): void => {
    const id = `r1-${n}`;
    const done = control.call("crash.intake", "add", { id }, 30_000).then(({ ok }) => {
      if (ok) acknowledged.add(id);
    });
    asked.push(done);
  };
  for (let n = 0; n < IDS; n++) {
    add(n);
    if (n % 8 === 7) await sleep(5);
    if (n === 60) {
      await inWest.kill("SIGKILL");
      inWest = await bootCrash(west);
    } else if (n === 150) {
      await Promise.all(asked);
      add(n);
      control.close();
      await inEast.kill("SIGKILL");
      inEast = await bootCrash(east);
      control = await controlOf(inEast);
    } else if (n === 200) {
      await servers.kill();
      add(IDS + n);
      await servers.start();
      await Promise.all([untilRunning(east), untilRunning(west)]);
    }
  }
  await Promise.all(asked);
  assert.ok(acknowledged.size >= IDS - 20, `${acknowledged.size} acknowledged`);

  // A person asks the node that does not own the tally, or the intake, and need not know.
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  let counts = await countsOf(control);
  const isSettled = (): boolean => {
    const own = Object.keys(counts["own"] ?? {}).length;
    return (
      own > 0 && ["noted", "topic", "call"].every((path) => Object.keys(counts[path] ?? {}).length === own)
    );
  };
  while (!isSettled() && performance.now() < deadline) {
    await sleep(200);
    counts = await countsOf(control);
  }
  const own = Object.keys(counts["own"] ?? {}).sort();
  for (const id of acknowledged) assert.ok(own.includes(id), `${id} was acknowledged and is kept`);
  for (const path of ["own", "noted", "topic", "call"]) {
    const counted = counts[path] ?? {};
    assert.deepEqual(Object.keys(counted).sort(), own, path);
    assert.deepEqual([...new Set(Object.values(counted))], [1], path);
  }
  for (const action of ["suspend", "resume"]) {
    const here = await east.run("capsule", action, "crash.tally");
    assert.match(here.err, /crash.tally\/0 is with node west and stays as it is/);
    assert.equal((await east.run("capsule", action, "crash.intake")).err, "");
  }
  const other = await controlOf(inWest);
  assert.deepEqual(await countsOf(other), counts);
  for (const home of [east, west]) {
    const { state, problems } = await home.json<{ state: string; problems: unknown[] }>("status");
    assert.deepEqual([state, problems], ["running", []]);
  }
  control.close();
  other.close();
});

test("a node whose groups another one owns is refused by name, and so is a table that cannot be", async () => {
  await using servers = await startNatsServers();
  await using east = await homeOf("east", servers.urls);
  await bootCrash(east);
  await using thief = new Home();
  mkdirSync(join(thief.dir, "config"), { recursive: true });
  const all = Array.from({ length: GROUPS }, (_, group) => group);
  const write = (cluster: object): void => {
    const config = {
      schema_version: "v1",
      node: "west",
      bus: { servers: servers.urls, groups: GROUPS },
      cluster,
    };
    writeFileSync(join(thief.dir, "config", "config.json"), JSON.stringify(config));
  };
  write({ owners: { west: all } });
  const taken = await thief.run("boot");
  assert.equal(taken.code, 7, taken.err);
  assert.match(taken.err, /LEDGER_IN_USE/);
  assert.match(taken.err, /node east/);
  write({ owners: { west: all.slice(1) } });
  const incomplete = await thief.run("boot");
  assert.equal(incomplete.code, 2);
  assert.match(incomplete.err, /CLUSTER_TABLE_INVALID.*nobody owns group 0/s);
});
