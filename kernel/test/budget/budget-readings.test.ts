/** What is read of sandboxes once a second, and which capsules have to stand still for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock } from "@vnes/driver-memory";
import type { Policy } from "@vnes/schemas";
import type { SandboxMeters } from "../../src/ports/sandbox.ts";
import { Budgets } from "../../src/runtime/node/budgets.ts";
import type { Capsule } from "../../src/runtime/node/capsule-table.ts";
import type { CapsuleShard } from "../../src/runtime/shard/capsule-shard.ts";
import { policy as base } from "../harness/node-harness.ts";

interface Told {
  cpuMs: number;
  bytes: number;
}

/** Capsules of one shard each, of which is told what `meters` makes. */
function readings(
  rules: NonNullable<Policy["budgets"]>["system"],
  meters: { [id: string]: () => Promise<Told> },
) {
  const clock = new MemoryClock(0);
  const rests: string[] = [];
  const shards = new Map(
    Object.entries(meters).map(([id, told]) => {
      const all = async (): Promise<SandboxMeters> => {
        const host = { group: id, pid: 1, memoryBytes: 0 };
        return { turns: 0, failedTurns: 0, memoryBytes: 0, host, ...(await told()) };
      };
      const rest = (isResting: boolean): void =>
        void rests.push(`${clock.now()} ${id} ${isResting ? "rests" : "goes on"}`);
      const shard = { name: `${id}/0`, isRunning: false, meters: all, rest, wake: () => undefined };
      return [id, shard as unknown as CapsuleShard];
    }),
  );
  const budgets = new Budgets({
    policy: { ...base, budgets: rules === undefined ? {} : { system: rules } },
    clock,
    shardsOf: ({ id }) => [shards.get(id) as CapsuleShard],
    report: () => undefined,
  });
  for (const id of shards.keys()) budgets.open({ id, zone: "system", state: "active" } as unknown as Capsule);
  const advance = async (ms: number): Promise<void> => {
    for (const end = clock.now() + ms; clock.now() < end; ) {
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { budgets, rests, advance };
}

test("one that computes on its own account stands still until its processor time is paid, however long it owes something else", async () => {
  const { rests, budgets, advance } = readings(
    { cpu_ms_per_s: 100, kb_per_s: 1, patience_ms: 600_000 },
    // All in the first second: its burst and what one and a half hold, and a minute's bytes.
    { computes: async () => ({ cpuMs: 250, bytes: 60 * 1_024 }) },
  );
  await advance(4_000);
  assert.deepEqual(rests, ["1000 computes rests", "1500 computes goes on"]);
  assert.equal(budgets.find("computes")?.slowed?.by, "bytes");
  budgets.stop();
});

test("a sandbox that does not say what it used holds up no reading of the others", async () => {
  let [asked, told] = [0, 0];
  const { budgets, advance } = readings(
    { cpu_ms_per_s: 1_000 },
    {
      silent: () => {
        asked += 1;
        return new Promise(() => undefined);
      },
      busy: async () => ({ cpuMs: 10 * ++told, bytes: 0 }),
    },
  );
  await advance(5_000);
  assert.equal(budgets.find("busy")?.usage.cpu, 50);
  assert.equal(asked, 1);
  budgets.stop();
  await advance(5_000);
  assert.equal(budgets.find("busy")?.usage.cpu, 50);
});
