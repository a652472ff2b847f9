/** Servers that restart, die, hang and vanish under load: nothing acknowledged is lost, nothing is there twice. */
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { openBus, openNatsLedgerStore } from "@vnes/driver-nats";
import { isVnesError } from "@vnes/schemas";
import { record, refusedWith, texts } from "../../../contracts/ledger-store.ts";
import { startLoad } from "./load.ts";
import { startNatsServers } from "./nats-servers.ts";
import { closeConnections, dropNamespace, freshNamespace, GROUPS, groupOf, openNode } from "./opened.ts";
import { openRelay } from "./relay.ts";

const servers = await startNatsServers();
after(async () => {
  await closeConnections();
  await servers[Symbol.asyncDispose]();
});

let namespace = "";
beforeEach(async () => {
  if (namespace !== "") await dropNamespace(servers.urls, namespace);
  namespace = freshNamespace();
});

test("a server that is restarted again and again loses nothing and doubles nothing (J2, J4)", async () => {
  const node = await openNode(servers.urls, namespace, "a");
  const load = startLoad(node.store);
  for (let round = 1; round <= 3; round++) {
    await load.acknowledgedAtLeast(load.acknowledged + 500);
    await (round === 2 ? servers.stop() : servers.kill());
    await servers.start();
  }
  await load.acknowledgedAtLeast(load.acknowledged + 500);
  await load.stop();
  assert.deepEqual([...load.ended], []);
  await load.check(node.store);
  await node.close();
  const again = await openNode(servers.urls, namespace, "a");
  await load.check(again.store);
  await again.close();
});

test("a server that hangs longer than an append waits: callers hear it, and later all is there once (J4)", async () => {
  const node = await openNode(servers.urls, namespace, "a");
  const load = startLoad(node.store);
  await load.acknowledgedAtLeast(500);
  servers.freeze();
  const before = load.acknowledged;
  for (let waited = 0; load.retried.size === 0 && waited < 15_000; waited += 100) await sleep(100);
  assert.deepEqual([...load.retried.keys()], ["LEDGER_UNREACHABLE"]);
  servers.thaw();
  await load.acknowledgedAtLeast(before + 1_000);
  await load.stop();
  assert.deepEqual([...load.ended], []);
  await load.check(node.store);
  await node.close();
  const again = await openNode(servers.urls, namespace, "a");
  await load.check(again.store);
  await again.close();
});

test("an append that was sent and not confirmed is answered when it is asked again, and another one is refused", async () => {
  const relay = await openRelay(servers.urls[0] as string);
  const node = await openNode([relay.url], namespace, "a");
  assert.equal(await node.store.append("a/0", 0, [record("1")]), 1);
  relay.cut();
  const lost = await node.store.append("a/0", 1, [record("2"), record("3")]).catch((error: unknown) => error);
  assert.ok(isVnesError(lost));
  assert.equal(lost.code, "LEDGER_UNREACHABLE");
  assert.equal(lost.retry, true);
  relay.mend();
  const again = node.store.append("a/0", 1, [record("2"), record("3")]);
  const other = node.store.append("a/0", 1, [record("other"), record("3")]);
  assert.equal(await again, 3);
  await refusedWith("LEDGER_SEQUENCE_CONFLICT", other);
  assert.equal(await node.store.append("a/0", 3, [record("4")]), 4);
  assert.deepEqual(await texts(node.store, "a/0"), ["1", "2", "3", "4"]);
  await node.close();
  await relay.close();
});

test("a second node is refused by the name of the first while that one lives, and takes over when it let go (J3)", async () => {
  const first = await openNode(servers.urls, namespace, "a");
  await first.store.append("a/0", 0, [record("1")]);
  const refusal = await openNode(servers.urls, namespace, "b").catch((error: unknown) => error);
  assert.ok(isVnesError(refusal));
  assert.equal(refusal.code, "LEDGER_IN_USE");
  assert.match(refusal.message, /node a/);
  assert.equal(await first.store.append("a/0", 1, [record("2")]), 2);
  await first.close();
  const second = await openNode(servers.urls, namespace, "b");
  assert.equal(await second.store.append("a/0", 2, [record("3")]), 3);
  await second.close();
});

test("a node cut off from the server loses its lease; who claims then fences it, and it is told so (J3)", async () => {
  const relay = await openRelay(servers.urls[0] as string);
  const old = await openNode([relay.url], namespace, "a", { leaseMs: 1_000 });
  await old.store.append("a/0", 0, [record("1")]);
  assert.equal(old.store.lease.isHeld("a/0"), true);
  const changes: (readonly string[])[] = [];
  old.store.lease.onChange((lost) => changes.push(lost));
  relay.cut();
  const inDoubt = old.store.append("a/0", 1, [record("old")]).catch((error: unknown) => error);
  const waits: string[] = [];
  const next = await openNode(servers.urls, namespace, "b", {
    leaseMs: 1_000,
    onWait: (_, { node }) => waits.push(node),
  });
  assert.ok(waits.includes("a"));
  assert.equal(old.store.lease.isHeld("a/0"), false);
  assert.deepEqual(changes.at(-1), GROUPS);
  const before = changes.length;
  assert.equal(await next.store.append("a/0", 1, [record("new")]), 2);
  relay.mend();
  const refusal = await inDoubt;
  assert.ok(isVnesError(refusal));
  if (refusal.code !== "LEDGER_UNREACHABLE") assert.equal(refusal.code, "LEDGER_SEQUENCE_CONFLICT");
  assert.equal(next.store.lease.taken(), undefined);
  // Also when it has nothing to append: told once more, since what was lost is taken now.
  for (let waited = 0; waited < 10_000 && old.store.lease.taken() === undefined; waited += 50)
    await sleep(50);
  assert.equal(old.store.lease.taken()?.code, "LEDGER_CLAIMED");
  assert.match(old.store.lease.taken()?.message ?? "", /claimed by node b/);
  for (let waited = 0; waited < 2_000 && changes.length === before; waited += 50) await sleep(50);
  assert.ok(changes.length > before);
  await refusedWith("LEDGER_SEQUENCE_CONFLICT", old.store.append("a/0", 1, [record("old")]));
  assert.deepEqual(await texts(next.store, "a/0"), ["1", "new"]);
  await Promise.all([old.close(), next.close()]);
  const again = await openNode(servers.urls, namespace, "b");
  assert.deepEqual(await texts(again.store, "a/0"), ["1", "new"]);
  await again.close();
  await relay.close();
});

test("the same owner claims at once after it was killed, and fences what is left of itself", async () => {
  const dead = await openNode(servers.urls, namespace, "a");
  const load = startLoad(dead.store);
  await load.acknowledgedAtLeast(500);
  const startedAt = performance.now();
  const next = await openNode(servers.urls, namespace, "a");
  assert.ok(performance.now() - startedAt < 5_000);
  await load.endsByItself(10_000);
  await load.stop();
  assert.deepEqual([...load.ended], ["LEDGER_SEQUENCE_CONFLICT"]);
  await load.check(next.store);
  await Promise.all([dead.close(), next.close()]);
});

test("an idle owner keeps its lease; a machine that slept through it has lost it until the next beat", async () => {
  let sleptMs = 0;
  const clock = { now: () => performance.now() + sleptMs };
  const node = await openNode(servers.urls, namespace, "a", { leaseMs: 1_000, clock });
  await sleep(1_500);
  assert.equal(node.store.lease.isHeld("a/0"), true);
  sleptMs += 60_000;
  assert.equal(node.store.lease.isHeld("a/0"), false);
  for (let waited = 0; waited < 2_000 && !node.store.lease.isHeld("a/0"); waited += 20) await sleep(20);
  assert.equal(node.store.lease.isHeld("a/0"), true);
  await node.close();
});

test("a group this node does not own can be read, also what comes later, and not written", async () => {
  const owner = await openNode(servers.urls, namespace, "a");
  await owner.store.append("a/0", 0, [record("1")]);
  const reader = await openNode(servers.urls, namespace, "b", { owns: [] });
  assert.deepEqual(await texts(reader.store, "a/0"), ["1"]);
  await refusedWith("LEDGER_NOT_OWNED", reader.store.append("a/0", 1, [record("no")]));
  await owner.store.append("a/0", 1, [record("2")]);
  for (let waited = 0; waited < 2_000 && (await reader.store.lastSeq("a/0")) < 2; waited += 10)
    await sleep(10);
  assert.deepEqual(await texts(reader.store, "a/0"), ["1", "2"]);
  await Promise.all([owner.close(), reader.close()]);
});

test("a connection that ends while a node opens its ledger is waited for, whatever was just asked", async () => {
  const before = await openNode(servers.urls, namespace, "a");
  await before.store.append("a/0", 0, [record("one")]);
  await before.close();
  for (const asked of ["STREAM.INFO", "MSG.GET", "CONSUMER.CREATE"]) {
    const relay = await openRelay(servers.urls[0] as string);
    relay.severAt(asked);
    const again = await openNode([relay.url], namespace, "a");
    assert.deepEqual(await texts(again.store, "a/0"), ["one"], asked);
    await again.close();
    await relay.close();
  }
});

test("a server without streams, one that is not there, and an address that is none are named", async () => {
  await using plain = await startNatsServers({ jetstream: false });
  await refusedWith("BUS_NO_JETSTREAM", openNode(plain.urls, namespace, "a"));
  await refusedWith("BUS_UNREACHABLE", openNode(["nats://127.0.0.1:1"], namespace, "a"));
  await refusedWith("BUS_ADDRESS_INVALID", openNode(["nats://user:secret@127.0.0.1:4222"], namespace, "a"));
  const node = await openNode(servers.urls, namespace, "a");
  const identity = { namespace: "Not One", node: "a", instance: "i", groups: 2, groupOf, owns: GROUPS };
  await refusedWith("BUS_STREAM_WRONG", openNatsLedgerStore({ bus: node.bus, ...identity }));
  await node.close();
});

test("the space of trimmed records is given back; what other shards still need is carried on", async () => {
  const bytes = new Uint8Array(50_000);
  const heavy = { bytes, hash: new Uint8Array(32) };
  let node = await openNode(servers.urls, namespace, "a", { groups: 1, owns: ["g0"], groupOf: () => "g0" });
  await node.store.append("idle/0", 0, [
    record("of the idle shard"),
    { ...record("its snapshot"), snapshot: true },
  ]);
  let seq = 0;
  for (let round = 0; round < 3; round++) {
    const large = await sizeAfter(async () => {
      for (let count = 0; count < 20; count++) seq = await node.store.append("busy/0", seq, [heavy]);
    });
    seq = await node.store.append("busy/0", seq, [{ ...record("snapshot"), snapshot: true }]);
    const small = await sizeAfter(async () => {
      assert.equal((await node.store.trim("busy/0", seq, new Set())).records, round === 0 ? 20 : 21);
    });
    assert.ok(large > 1_000_000 && small < 10_000, `${large} bytes, then ${small}`);
    await node.close();
    node = await openNode(servers.urls, namespace, "a", { groups: 1, owns: ["g0"], groupOf: () => "g0" });
    assert.deepEqual(await texts(node.store, "idle/0"), ["of the idle shard", "its snapshot"]);
    assert.equal(await node.store.lastSnapshot("idle/0"), 2);
    assert.equal(await node.store.firstSeq("busy/0"), seq);
  }
  await node.close();

  async function sizeAfter(work: () => Promise<void>): Promise<number> {
    await work();
    return await node.store.sizeBytes();
  }
});

test("a reader that was away while messages were purged goes on behind them", async () => {
  const relay = await openRelay(servers.urls[0] as string);
  const owner = await openNode(servers.urls, namespace, "a");
  await owner.store.append("a/0", 0, [record("1"), record("2")]);
  const reader = await openNode([relay.url], namespace, "b", { owns: [] });
  assert.deepEqual(await texts(reader.store, "a/0"), ["1", "2"]);
  relay.sever();
  let seq = 2;
  for (; seq < 50; seq++) await owner.store.append("a/0", seq, [record(`${seq + 1}`)]);
  seq = await owner.store.append("a/0", seq, [{ ...record("51"), snapshot: true }]);
  await owner.store.trim("a/0", seq, new Set());
  relay.mend();
  for (let waited = 0; waited < 10_000 && (await reader.store.lastSeq("a/0")) < seq; waited += 50)
    await sleep(50);
  assert.deepEqual(await texts(reader.store, "a/0"), ["51"]);
  await Promise.all([owner.close(), reader.close()]);
  await relay.close();
});

test("a stream that somebody emptied is refused, not taken for a new one", async () => {
  const node = await openNode(servers.urls, namespace, "a");
  await node.store.append("a/0", 0, [record("1")]);
  await node.close();
  await using bus = await openBus({ servers: servers.urls, node: "vandal" });
  const jsm = await jetstreamManager(bus.connection);
  for await (const name of jsm.streams.names(`vnes.${namespace}.ledger.>`)) await jsm.streams.purge(name);
  await refusedWith("LEDGER_FILE_CORRUPT", openNode(servers.urls, namespace, "a"));
});
