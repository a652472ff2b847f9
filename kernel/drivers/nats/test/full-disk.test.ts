/** Servers without room: by their own limit, and on a file system that is really full. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { record, refusedWith, texts } from "../../../contracts/ledger-store.ts";
import { startLoad } from "./load.ts";
import { startNatsServers } from "./nats-servers.ts";
import { closeConnections, freshNamespace, openNode, takeSpace } from "./opened.ts";

/** A namespace of its own, so that mounting needs no rights on this machine. */
const ISOLATE = ["--map-root-user", "--mount", "sh", "-c"];
const canMount = spawnSync("unshare", [...ISOLATE, "mount -t tmpfs tmpfs /mnt"]).status === 0;

after(closeConnections);

test("writers on a server at its limit are refused with LEDGER_DISK_FULL, go on with room, and lose and double nothing (O4)", async () => {
  await using servers = await startNatsServers({ maxFile: "4M" });
  const namespace = freshNamespace();
  const node = await openNode(servers.urls, namespace, "a");
  const load = startLoad(node.store);
  await load.acknowledgedAtLeast(500);
  for (let round = 1; round <= 3; round++) {
    const ballast = await takeSpace(servers.urls, 4_000_000);
    const hadRefused = refusals();
    while (refusals() < hadRefused + 3 && load.ended.size === 0) await sleep(10);
    const before = load.acknowledged;
    await ballast.remove();
    await load.acknowledgedAtLeast(before + 300);
  }
  await load.stop();
  assert.deepEqual([...load.ended], []);
  assert.deepEqual([...load.retried.keys()], ["LEDGER_DISK_FULL"]);
  await load.check(node.store);
  await node.close();
  const again = await openNode(servers.urls, namespace, "a");
  await load.check(again.store);
  await again.close();

  function refusals(): number {
    return load.retried.get("LEDGER_DISK_FULL") ?? 0;
  }
});

test("what was refused is not kept later by itself: another append takes its place (O4)", async () => {
  await using servers = await startNatsServers({ maxFile: "2M" });
  const namespace = freshNamespace();
  const node = await openNode(servers.urls, namespace, "a");
  assert.equal(await node.store.append("a/0", 0, [record("1")]), 1);
  const ballast = await takeSpace(servers.urls, 2_000_000);
  const large = record("x".repeat(100_000));
  const flight = [node.store.append("a/0", 1, [large]), node.store.append("a/0", 2, [record("3")])];
  for (const append of flight) await refusedWith("LEDGER_DISK_FULL", append);
  await ballast.remove();
  await sleep(1_500);
  assert.equal(await node.store.lastSeq("a/0"), 1);
  assert.equal(await node.store.append("a/0", 1, [record("other")]), 2);
  assert.deepEqual(await texts(node.store, "a/0"), ["1", "other"]);
  await node.close();
});

test("a server whose file system is full: callers hear it, and after room and a restart all is there, once", {
  skip: canMount ? false : "mounting is not permitted here: a full file system was NOT tested",
}, () => {
  const run = fileURLToPath(new URL("full-file-system.ts", import.meta.url));
  const inside = 'mount -t tmpfs -o size=4m tmpfs /mnt && exec "$0" --conditions=source "$1"';
  const { status, stdout, stderr } = spawnSync("unshare", [...ISOLATE, inside, process.execPath, run], {
    encoding: "utf8",
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    timeout: 90_000,
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /^held: \d+ acknowledged/m);
});
