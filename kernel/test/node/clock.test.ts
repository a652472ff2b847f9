/** What a node does when the wall clock is wrong: it keeps its own time and says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock, MemoryLedgerStore } from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import { decodeRecord } from "../../src/ledger/record.ts";
import { bootTestNode, manifestOf, type TestCapsule } from "../harness/node-harness.ts";

const HOUR_MS = 3_600_000;
const START = 1_700_000_000_000;

const stamper: TestCapsule = {
  manifest: manifestOf("test.stamper", {
    capabilities: { provides: ["test.stamper"] },
    state: { owns: ["at/"] },
  }),
  spec: {
    "spec/schema.json": { $defs: { "test.stamper.stamp.input": { type: "object" } } },
  },
  bundle: () =>
    capsule({
      calls: {
        "test.stamper.stamp": (turn) => {
          turn.keys.set("at/last", turn.at);
          return turn.at;
        },
      },
    }),
};

async function facts(memory: LedgerMemory): Promise<readonly string[]> {
  const store = new MemoryLedgerStore(memory.copy());
  const records = await store.read("kernel/test", 1, 1_000);
  return records.flatMap(({ seq, bytes }) => {
    const record = decodeRecord("kernel/test", seq, bytes);
    const code = record.kind === "kernel" ? record.fact["code"] : undefined;
    return typeof code === "string" ? [code] : [];
  });
}

test("a node whose wall clock is an hour behind its ledger goes on from the ledger's time and says so", async () => {
  const memory = new LedgerMemory();
  const first = await bootTestNode({ capsules: [stamper], memory, clock: new MemoryClock(START) });
  await first.ask("test.stamper", "stamp", {});
  await first.node[Symbol.asyncDispose]();

  const clock = new MemoryClock(START - HOUR_MS);
  const second = await bootTestNode({ capsules: [stamper], memory, clock });
  assert.deepEqual(await second.ask("test.stamper", "stamp", {}), { ok: true, value: START });
  assert.equal((await second.node.status()).bootMs, 0, "the hour is no part of how long the boot took");
  await second.node[Symbol.asyncDispose]();
  assert.deepEqual(await facts(memory), ["CLOCK_BEHIND_LEDGER"]);
});

test("a wall clock that is set while the node runs is reported by its size and not followed", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock(START);
  const { node, ask } = await bootTestNode({ capsules: [stamper], memory, clock });
  clock.jumpWall(-HOUR_MS);
  assert.deepEqual(await ask("test.stamper", "stamp", {}), { ok: true, value: START });
  assert.equal((await node.status()).counters["clock.reported"], 1);
  await node[Symbol.asyncDispose]();
  assert.deepEqual(await facts(memory), ["CLOCK_JUMPED"]);
});
