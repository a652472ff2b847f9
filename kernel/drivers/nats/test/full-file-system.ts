/** Run by `full-disk.test.ts` inside a mount namespace where /mnt is small: writers, until the server can write no more. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startLoad } from "./load.ts";
import { startNatsServers } from "./nats-servers.ts";
import { openNode } from "./opened.ts";

const BALLAST = "/mnt/ballast";
const AFTERWARDS = 300;

await using servers = await startNatsServers({ storeDir: "/mnt/store" });
const node = await openNode(servers.urls, "full", "a");
const load = startLoad(node.store);
await load.acknowledgedAtLeast(500);
writeFileSync(BALLAST, "");
for (let size = 2_500_000; size > 0; size -= 50_000) {
  try {
    writeFileSync(BALLAST, new Uint8Array(size));
    break;
  } catch {
    rmSync(BALLAST, { force: true });
  }
}
while (load.retried.size === 0 && load.ended.size === 0) await sleep(50);
const before = load.acknowledged;
assert.deepEqual([...load.ended], []);
const codes = [...load.retried.keys()];
rmSync(BALLAST);
// Both servers that were tried hang on a full file system, one of them even when it is told to end.
await servers.kill();
await servers.start();
await load.acknowledgedAtLeast(before + AFTERWARDS);
await load.stop();
assert.deepEqual([...load.ended], []);
await load.check(node.store);
await node.close();
const again = await openNode(servers.urls, "full", "a");
await load.check(again.store);
await again.close();
console.log(`held: ${load.acknowledged} acknowledged, ${before} before; refused with ${codes.join()}`);
