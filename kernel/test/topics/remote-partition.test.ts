import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock, memoryMessenger, MessengerHub } from "@vnes/driver-memory";
import { encodePage, PAGE_SERVICE, parsePageRequest } from "../../src/cluster/event-page.ts";
import { RemotePartition } from "../../src/cluster/remote-partition.ts";
import { Counters } from "../../src/runtime/node/counters.ts";
import type { PartitionEvent } from "../../src/runtime/topics/partition-reader.ts";

test("a partition of another node that was closed answers nobody: whoever got nothing would ask again at once, for ever", async () => {
  const clock = new MemoryClock();
  await using messenger = memoryMessenger(new MessengerHub(), "east", clock);
  const place = { shard: "topic/t.v1/0", topic: "t.v1", index: 0, owner: "west" };
  const partition = new RemotePartition({ ...place, messenger, clock, counters: new Counters() });
  partition.close();
  let answered = false;
  void partition.fetch(1).then(() => {
    answered = true;
  });
  for (let round = 0; round < 10; round++) {
    await new Promise((resume) => setImmediate(resume));
    clock.advance(5_000);
  }
  assert.equal(answered, false);
});

test("of large events only the newest few stay in memory; who is behind them asks for pages of its own", async () => {
  const clock = new MemoryClock();
  const hub = new MessengerHub();
  await using messenger = memoryMessenger(hub, "east", clock);
  await using owner = memoryMessenger(hub, "west", clock);
  const last = 20;
  owner.serve(PAGE_SERVICE, (question) => {
    const { from } = parsePageRequest(question) as { readonly from: number };
    const events: PartitionEvent[] = [];
    for (let seq = from; seq <= last; seq++)
      events.push({ seq, key: "", event: "x".repeat(500_000), hash: "", size: 500_000 });
    return encodePage({ lastSeq: last, events });
  });
  const place = { shard: "topic/t.v1/0", topic: "t.v1", index: 0, owner: "west" };
  const partition = new RemotePartition({ ...place, messenger, clock, counters: new Counters() });
  let heard = 0;
  partition.onEvents(() => heard++);
  assert.deepEqual(partition.peek(1, 64), []);
  for (let round = 0; round < 500 && heard < last; round++)
    await new Promise((resume) => setImmediate(resume));
  partition.close();
  assert.equal(heard, last);
  const kept = Array.from({ length: last }, (_, index) => partition.peek(index + 1, 1)?.length ?? 0);
  assert.equal(kept.at(-1), 1);
  assert.ok(kept.reduce((sum, one) => sum + one) * 500_000 <= 4 * 1024 * 1024, kept.join(""));
});
