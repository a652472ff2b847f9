import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock, memoryMessenger, MessengerHub } from "@vnes/driver-memory";
import type { Clock, Messenger } from "@vnes/kernel";
import { messengerContract } from "../../../contracts/messenger.ts";

/** The contract's deadlines are real. */
const wallClock: Pick<Clock, "now" | "wakeAt"> = {
  now: () => Date.now(),
  wakeAt: (at, wake) => {
    const timer = setTimeout(wake, Math.max(0, at - Date.now()));
    return () => clearTimeout(timer);
  },
};

messengerContract({
  name: "memory",
  open: async () => {
    const hub = new MessengerHub();
    const joined: Messenger[] = [];
    return {
      join: async (node) => {
        const messenger = memoryMessenger(hub, node, wallClock, joined.length + 1);
        joined.push(messenger);
        return messenger;
      },
      disconnect: async (node) => hub.disconnect(node),
      reconnect: async (node) => hub.connect(node),
      cleanup: async () => {
        for (const messenger of joined) await messenger[Symbol.asyncDispose]();
      },
    };
  },
});

const settle = async (rounds = 30): Promise<void> => {
  for (let round = 0; round < rounds; round++) await new Promise((resume) => setImmediate(resume));
};

test("the same seed loses and repeats the same messages; what is lost ends with its deadline", async () => {
  const run = async (seed: number): Promise<string> => {
    const hub = new MessengerHub({ seed, lossPercent: 30, repeatPercent: 30, maxDelayRounds: 4 });
    const clock = new MemoryClock();
    const a = memoryMessenger(hub, "a", clock, 1);
    const b = memoryMessenger(hub, "b", clock, 2);
    b.serve("echo", (payload) => payload);
    const ends: string[] = [];
    for (let index = 0; index < 40; index++) {
      void a.request("b", "echo", Uint8Array.of(index), 1_000).then(
        ([value]) => ends.push(`${value}`),
        () => ends.push(`${index} lost`),
      );
      await settle(2);
    }
    await settle();
    clock.advance(2_000);
    await settle();
    assert.equal(ends.length, 40);
    assert.ok(hub.lost > 5 && hub.repeated > 5);
    return ends.join(" ");
  };
  assert.equal(await run(5), await run(5));
  assert.notEqual(await run(5), await run(6));
});

test("a partition is silent: nobody is told, and requests end with their deadline", async () => {
  const hub = new MessengerHub();
  const clock = new MemoryClock();
  const a = memoryMessenger(hub, "a", clock, 1);
  const b = memoryMessenger(hub, "b", clock, 2);
  b.serve("echo", (payload) => payload);
  hub.partition("b", "a");
  const asked = a.request("b", "echo", Uint8Array.of(1), 500).catch((error: unknown) => String(error));
  await settle();
  clock.advance(500);
  assert.match(String(await asked), /did not answer echo within 500 ms/);
  hub.heal();
  const again = a.request("b", "echo", Uint8Array.of(7), 500);
  await settle();
  assert.deepEqual([...(await again)], [7]);
});
