import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bundle, MemorySandbox, MessengerHub } from "@vnes/driver-memory";
import type { Answer, Json } from "@vnes/schemas";
import fc from "fast-check";
import { desk, intake, tally, TestCluster } from "../harness/cluster-harness.ts";
import type { TestCapsule } from "../harness/node-harness.ts";

const KEYS = ["a", "b", "c", "d", "e", "f"];

/** Calls, events and ephemeral events of a key, each as the list of numbers the tally was told. */
async function told(cluster: TestCluster, key: string): Promise<readonly (readonly number[])[]> {
  const [any] = cluster.running.keys();
  const answer = await cluster.ask(any as string, "test.tally", "get", { key });
  const { ok, value } = answer as { readonly ok?: boolean; readonly value: number[][] };
  if (ok !== true) throw new Error(`no answer: ${JSON.stringify(answer)}`);
  return value;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

test("two nodes run one program: calls, answers, events and ephemeral events cross, each once and in order", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  // Both nodes own some shards of the tally and some partitions, or nothing would cross.
  const owners = upTo(8).map((n) => cluster.ownerOf(`test.tally/${n - 1}`));
  const partitions = upTo(4).map((n) => cluster.ownerOf(`topic/test.noted.v1/${n - 1}`));
  for (const all of [owners, partitions]) assert.equal(new Set(all).size, 2);
  for (const key of KEYS) {
    // Asked on the node that does not own the intake: a person need not know who does.
    for (const n of upTo(3))
      assert.deepEqual(await cluster.ask(other, "test.intake", "add", { key }), { ok: true, value: n });
    await cluster.ask(home, "test.intake", "flash", { key });
  }
  // A subscriber that asked before the owner was there asks again after a while.
  await cluster.run(200);
  for (const key of KEYS) assert.deepEqual(await told(cluster, key), [[1, 2, 3], [1, 2, 3], [1]], key);
  for (const { node } of cluster.running.values()) {
    const { state, problems } = await node.status();
    assert.deepEqual([state, problems], ["running", []]);
  }
  await cluster.end();
});

test("a capsule placed on each node hears all that is kept, of what is not kept only its own node's, and is asked where it is", async () => {
  const cluster = new TestCluster(["east", "west"]);
  const capsules = [intake, tally, desk];
  await cluster.bootAll({ capsules });
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  for (const key of KEYS.slice(0, 2)) {
    await cluster.ask(home, "test.intake", "add", { key });
    await cluster.ask(home, "test.intake", "flash", { key });
  }
  await cluster.run(200);
  const logOf = async (node: string): Promise<readonly string[]> =>
    [...((await cluster.ask(node, "test.desk", "log", {})) as { value: string[] }).value].sort();
  const noted = ["noted a1", "noted b1"];
  assert.deepEqual(await logOf(home), ["flash a1", "flash b1", ...noted]);
  assert.deepEqual(await logOf(other), noted);

  // Its calls are answered where they were made from, also when they cross.
  for (const node of cluster.names)
    for (const [n, key] of KEYS.entries())
      assert.deepEqual(await cluster.ask(node, "test.desk", "note", { key, n }), { ok: true, value: n });

  // What each holds is its own and outlives its node.
  await cluster.kill(other);
  await cluster.ask(home, "test.intake", "add", { key: "c" });
  await cluster.boot(other, { capsules });
  await cluster.run(200);
  assert.deepEqual(await logOf(other), [...noted, "noted c1"]);
  const { shard } = await cluster.node(other).state.read({ capsule: "test.desk" }, { prefix: "", limit: 1 });
  assert.equal(shard, `test.desk/0@${other}`);
  await cluster.end();
});

test("an event that nobody keeps, for a capsule that was unloaded, is counted", async () => {
  const cluster = new TestCluster(["east"]);
  await cluster.bootAll({ capsules: [intake, tally, desk] });
  await cluster.node("east").unload("test.desk");
  await cluster.ask("east", "test.intake", "flash", { key: "a" });
  await cluster.run(20);
  assert.equal((await cluster.node("east").status()).counters["ephemeral.noSubscriber"], 1);
  await cluster.end();
});

test("a capsule that is to be placed otherwise does not go on without what it has", async () => {
  const cluster = new TestCluster(["east"]);
  const moved = { ...desk, manifest: { ...desk.manifest, state: { owns: ["log"] } } } as TestCapsule;
  const first = await cluster.boot("east", { capsules: [intake, tally, moved] });
  await cluster.ask("east", "test.intake", "add", { key: "a" });
  await first.node[Symbol.asyncDispose]();
  await cluster.boot("east", { capsules: [intake, tally, desk] });
  const { capsules } = await cluster.node("east").status();
  const found = capsules.find(({ id }) => id === "test.desk");
  assert.deepEqual([found?.state, found?.reason], ["unloaded", "CAPSULE_PLACEMENT_CHANGED"]);
  await cluster.end();
});

test("a capsule reads another's keys on whichever node they are, also when the first questions are lost", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  for (const key of KEYS) await cluster.ask(home, "test.intake", "add", { key });
  cluster.hub.partition(home, other);
  const asked = upTo(8).map(async (n) =>
    cluster.node(home).call("test.intake", "look", { shard: n - 1 }, 60_000),
  );
  await cluster.run(150);
  cluster.hub.heal();
  await cluster.run(400);
  const read = (await Promise.all(asked)) as unknown as {
    value: { shard: string; entries: [string, Json][] };
  }[];
  const found = read.flatMap(({ value }) => JSON.stringify(value).match(/n\/[a-f]/g) ?? []);
  assert.deepEqual(
    found.sort(),
    KEYS.map((key) => `n/${key}`),
  );
  assert.deepEqual(
    read.map(({ value }) => value.shard),
    upTo(8).map((n) => `test.tally/${n - 1}`),
  );
  await cluster.end();
});

test("a node whose lease has run out tells nobody what is now: another one may know better", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  for (const key of KEYS) await cluster.ask(home, "test.intake", "add", { key });
  await cluster.run(50);
  const shard = upTo(8).findIndex((n) => cluster.ownerOf(`test.tally/${n - 1}`) === other);
  const lease = { held: false };
  Object.assign((cluster.running.get(other) as { store: object }).store, {
    lease: {
      isHeld: () => lease.held,
      lost: () => ["g0"],
      taken: () => undefined,
      onChange: () => () => undefined,
    },
  });
  const person = (): Promise<unknown> => cluster.node(other).state.read({ capsule: "test.tally", shard }, {});
  await assert.rejects(person(), { code: "LEDGER_LEASE_LOST" });
  const answers: Answer[] = [];
  void cluster
    .node(home)
    .call("test.intake", "look", { shard }, 60_000)
    .then((answer) => answers.push(answer));
  await cluster.run(50);
  assert.deepEqual(answers, []);
  lease.held = true;
  await cluster.run(200);
  assert.deepEqual(
    answers.map(({ ok }) => ok),
    [true],
  );
  await person();
  await cluster.end();
});

test("a call that reaches its provider's node while that one still boots waits for the provider to start", async () => {
  const cluster = new TestCluster(["east", "west"]);
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  await cluster.boot(other);
  const bundles = Object.fromEntries(
    [intake, tally].map(({ manifest, bundle }) => [manifest.id, bundle as () => Bundle]),
  );
  const held: (() => void)[] = [];
  let isSlow = true;
  const later = (_: number, resume: () => void): void => void (isSlow ? held.push(resume) : resume());
  const booting = cluster.boot(home, { sandbox: new MemorySandbox(bundles, { later }) });
  await cluster.run(4);
  assert.equal(cluster.running.has(home), false);
  const answers: unknown[] = [];
  const call = cluster.node(other).call("test.intake", "add", { key: "a" }, 60_000);
  void call.then((answer) => answers.push(answer));
  await cluster.run(4);
  assert.deepEqual(answers, []);
  isSlow = false;
  for (const resume of held.splice(0)) resume();
  await booting;
  await cluster.run(100);
  assert.deepEqual(answers, [{ ok: true, value: 1 }]);
  await cluster.end();
});

test("who asks a node for what another one keeps is told which", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  const asked = { topic: "test.noted.v1", from: { seq: 1 }, limit: 10, waitMs: 0 };
  const told: string[] = [];
  for (const partition of [0, 1, 2, 3]) {
    const { topics } = cluster.node("east");
    const owner = cluster.ownerOf(`topic/test.noted.v1/${partition}`);
    const answer = await topics.read({ ...asked, partition }).catch((error: unknown) => error);
    if (owner === "west") told.push((answer as { readonly code: string }).code);
    else assert.deepEqual((answer as { readonly events: readonly unknown[] }).events, []);
  }
  assert.ok(told.length > 0 && told.every((code) => code === "TOPIC_PARTITION_ELSEWHERE"), told.join());
  await assert.rejects(cluster.node("east").topics.read({ ...asked, partition: 4 }), {
    code: "TOPIC_PARTITION_UNKNOWN",
  });
  await cluster.end();
});

test("each node writes its own shards only", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  for (const key of KEYS) await cluster.ask("east", "test.intake", "add", { key });
  await cluster.run(20);
  for (const name of cluster.names) {
    const written = [...cluster.memory(name).shards.keys()];
    assert.ok(written.length > 3);
    for (const shard of written)
      assert.equal(shard.startsWith("kernel/") ? shard.slice(7) : cluster.ownerOf(shard), name, shard);
  }
  await cluster.end();
});

test("a node that is down is waited for: what was asked of it happens once it is back, in order", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  const asked = KEYS.map(async (key) => cluster.node(home).call("test.intake", "add", { key }, 600_000));
  await cluster.run(1);
  await cluster.kill(other);
  const later = KEYS.map(async (key) => cluster.node(home).call("test.intake", "add", { key }, 600_000));
  await cluster.run(500);
  const { state, problems } = await cluster.node(home).status();
  assert.deepEqual([state, problems.map(({ code }) => code)], ["degraded", ["CLUSTER_PEER_SILENT"]]);
  await cluster.boot(other);
  await cluster.run(300);
  assert.deepEqual(
    await Promise.all(asked),
    KEYS.map(() => ({ ok: true, value: 1 })),
  );
  assert.deepEqual(
    await Promise.all(later),
    KEYS.map(() => ({ ok: true, value: 2 })),
  );
  for (const key of KEYS)
    assert.deepEqual(
      (await told(cluster, key)).slice(0, 2),
      [
        [1, 2],
        [1, 2],
      ],
      key,
    );
  assert.equal((await cluster.node(home).status()).state, "running");
  await cluster.end();
});

test("a node that lost a shard to somebody else stops: it takes and confirms nothing more", async () => {
  const cluster = new TestCluster(["east", "west"]);
  await cluster.bootAll();
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  const key = KEYS.find((one) => cluster.ownerOf(`test.tally/${slot(one)}`) === other) as string;
  const shard = cluster.memory(other).shards.get(`test.tally/${slot(key)}`);
  // Another writer, past the store that this node holds.
  shard?.push({ ...(shard.at(-1) as (typeof shard)[number]), seq: shard.length + 1 });
  void cluster.node(home).call("test.intake", "add", { key }, 60_000);
  await cluster.run(400);
  const { counters, problems } = await cluster.node(home).status();
  assert.ok((counters[`remote.waiting.${other}`] ?? 0) > 0);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["CLUSTER_PEER_SILENT"],
  );
  const lost = await cluster.node(other).status();
  assert.deepEqual(
    lost.problems.map(({ code }) => code),
    ["LEDGER_SEQUENCE_CONFLICT"],
  );
  await cluster.end();
});

test("nodes that run other capsules, or another table, take nothing from each other and say so; nothing is lost", async () => {
  const cluster = new TestCluster(["east", "west"]);
  const home = cluster.ownerOf("test.intake/0");
  const other = cluster.names.find((name) => name !== home) as string;
  await cluster.boot(home);
  const newer = { ...tally, manifest: { ...tally.manifest, version: "2.0.0" } };
  await cluster.boot(other, { capsules: [intake, newer] });
  const key = KEYS.find((one) => cluster.ownerOf(`test.tally/${slot(one)}`) === other) as string;
  const asked = cluster.node(home).call("test.intake", "add", { key }, 600_000);
  await cluster.run(100);
  for (const name of cluster.names) {
    const { problems } = await cluster.node(name).status();
    assert.ok(
      problems.some(({ code }) => code === "CLUSTER_PEER_DIFFERS"),
      name,
    );
  }
  await cluster.kill(other);
  await cluster.boot(other);
  await cluster.run(300);
  assert.deepEqual(await asked, { ok: true, value: 1 });
  assert.equal((await cluster.node(home).status()).state, "running");
  await cluster.end();
});

function slot(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % 8;
}

interface Story {
  readonly seed: number;
  readonly nodes: number;
  readonly lossPercent: number;
  readonly repeatPercent: number;
  readonly maxDelayRounds: number;
  readonly steps: readonly {
    readonly kind: "add" | "kill" | "cut" | "heal" | "wait";
    readonly which: number;
  }[];
}

const story: fc.Arbitrary<Story> = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  nodes: fc.integer({ min: 2, max: 3 }),
  lossPercent: fc.integer({ min: 0, max: 30 }),
  repeatPercent: fc.integer({ min: 0, max: 30 }),
  maxDelayRounds: fc.integer({ min: 0, max: 12 }),
  steps: fc.array(
    fc.record({
      kind: fc.oneof(
        { weight: 8, arbitrary: fc.constant("add" as const) },
        { weight: 6, arbitrary: fc.constant("kill" as const) },
        { weight: 2, arbitrary: fc.constantFrom("cut" as const, "heal" as const) },
        { weight: 3, arbitrary: fc.constant("wait" as const) },
      ),
      which: fc.nat({ max: 1_000 }),
    }),
    { minLength: 5, maxLength: 40 },
  ),
});

/** Plays the story; everything that was added must be told once, in order, and answered when its asker lived. */
async function play({ seed, nodes, steps, ...network }: Story): Promise<void> {
  const cluster = new TestCluster(
    ["east", "west", "north"].slice(0, nodes),
    new MessengerHub({ seed, ...network }),
  );
  // A slow disk: much of what happens, happens before something is durable.
  const faults = { delay: (commit: number) => commit % 7 };
  await cluster.bootAll({ faults });
  const home = cluster.ownerOf("test.intake/0");
  let lives = 1;
  const asked: { readonly life: number; answer?: Json }[] = [];
  const added = new Map<string, number>();
  for (const { kind, which } of steps) {
    const name = cluster.names[which % nodes] as string;
    if (kind === "add") {
      const key = KEYS[which % KEYS.length] as string;
      const one: (typeof asked)[number] = { life: lives };
      asked.push(one);
      void cluster
        .node(home)
        .call("test.intake", "add", { key }, 600_000)
        .then((answer) => {
          one.answer = answer as unknown as Json;
        });
      await cluster.rounds(which % 25);
    } else if (kind === "kill") {
      await cluster.kill(name);
      if (name === home) lives++;
      await cluster.run(which % 7);
      await cluster.boot(name, { faults });
    } else if (kind === "cut") {
      const to = cluster.names[(which + 1 + (which % (nodes - 1))) % nodes] as string;
      if (to !== name) cluster.hub.partition(name, to);
    } else if (kind === "heal") cluster.hub.heal();
    else await cluster.run(which % 30);
  }
  cluster.hub.calm();
  await cluster.run(400);
  // What the ledger of the intake says was added is the truth; nobody else may know more, less, or another order.
  for (const key of KEYS) {
    const [calls, events] = await told(cluster, key);
    added.set(key, calls?.length ?? 0);
    assert.deepEqual(calls, upTo(calls?.length ?? 0), `calls of ${key}`);
    assert.deepEqual(events, calls, `events of ${key}`);
  }
  const answered = asked.filter(({ life }) => life === lives);
  for (const { answer } of answered) assert.equal((answer as { ok?: boolean } | undefined)?.ok, true);
  const total = [...added.values()].reduce((sum, n) => sum + n, 0);
  assert.ok(total >= answered.length && total <= asked.length, `${total} of ${asked.length}`);
  for (const { node } of cluster.running.values()) {
    const { counters } = await node.status();
    for (const [name, count] of Object.entries(counters))
      if (name.startsWith("remote.waiting.")) assert.equal(count, 0, name);
  }
  await cluster.end();
}

test("over any network and any deaths, effects between nodes happen exactly once and in order (Z1, Z2)", async () => {
  await fc.assert(fc.asyncProperty(story, play), {
    numRuns: Number(process.env["RUNS"] ?? 80),
    endOnFailure: true,
  });
});
