import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock, memoryMessenger, MessengerHub } from "@vnes/driver-memory";
import { FlowNews } from "../../src/cluster/flow-news.ts";
import { Counters } from "../../src/runtime/node/counters.ts";
import { FlowGate } from "../../src/runtime/topics/flow-gate.ts";

function world(hub: MessengerHub): {
  readonly gates: { readonly east: FlowGate; readonly west: FlowGate };
  readonly counters: Counters;
  readonly news: readonly FlowNews[];
  pass(ms: number): Promise<void>;
} {
  const clock = new MemoryClock();
  const counters = new Counters();
  const gates = { east: new FlowGate(), west: new FlowGate() };
  const news = (["east", "west"] as const).map((node, index) => {
    const messenger = memoryMessenger(hub, node, clock, index + 1);
    return new FlowNews({ messenger, clock, counters }, gates[node], new Set(["east", "west"]));
  });
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(50);
      for (let round = 0; round < 6; round++) await new Promise((resume) => setImmediate(resume));
    }
  };
  return { gates, counters, news, pass };
}

test("a subscriber that lags on one node holds publishers of the other back, until it has room", async () => {
  const { gates, pass } = world(new MessengerHub({ seed: 3, lossPercent: 40 }));
  let woken = 0;
  gates.east.addPublisher("t.v1", () => woken++);
  gates.west.set("t.v1", "test.slow/0 0", true);
  await pass(1_500);
  assert.deepEqual([gates.east.isHeld("t.v1"), gates.east.isHeld("other.v1")], [true, false]);
  assert.deepEqual(gates.east.lagging("t.v1"), ["on node west"]);
  // What it was told it does not tell on: it would hold for ever.
  assert.deepEqual(gates.east.heldHere(), []);
  assert.deepEqual(gates.west.lagging("t.v1"), ["test.slow/0 0"]);
  gates.west.set("t.v1", "test.slow/0 0", false);
  await pass(3_000);
  assert.deepEqual([gates.east.isHeld("t.v1"), woken > 0], [false, true]);
});

test("a node that is gone holds nobody back for long, and a stranger's news are not heard", async () => {
  const hub = new MessengerHub();
  const { gates, counters, news, pass } = world(hub);
  gates.west.set("t.v1", "test.slow/0 0", true);
  await pass(500);
  assert.equal(gates.east.isHeld("t.v1"), true);
  news[1]?.close();
  await pass(2_000);
  assert.equal(gates.east.isHeld("t.v1"), false);
  assert.equal(counters.get("remote.flowStale"), 1);
  const stranger = memoryMessenger(hub, "north", new MemoryClock(), 9);
  for (const said of [{ node: "north", topics: ["t.v1"] }, { node: "west", topics: [7] }, "x"])
    stranger.publish("flow", new TextEncoder().encode(JSON.stringify(said)));
  await pass(100);
  assert.equal(gates.east.isHeld("t.v1"), false);
  assert.ok(counters.get("remote.flowUnreadable") >= 3);
});
