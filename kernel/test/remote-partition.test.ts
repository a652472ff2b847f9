import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock, memoryMessenger, MessengerHub } from "@vnes/driver-memory";
import { RemotePartition } from "../src/cluster/remote-partition.ts";
import { Counters } from "../src/runtime/node/counters.ts";

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
