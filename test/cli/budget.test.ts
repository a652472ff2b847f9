/** A capsule over its budget on a node as a person boots it: slowed, suspended with the reason and the time, resumed, and no event lost. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { OverBudget } from "@vnes/kernel";
import { ASKED, subscriber } from "./counter.ts";
import { Home } from "./vnes.ts";

/** Twenty messages a turn, of a budget of one a second: whoever is next waits twenty seconds. */
const SOURCE = `
import { capsule } from "@vnes/sdk";
export default capsule({
  calls: { "acme.counter.add": (turn) => (turn.keys.get("count") as number | undefined) ?? 0 },
  events: {
    "${ASKED}": (turn) => {
      turn.keys.set("count", ((turn.keys.get("count") as number | undefined) ?? 0) + 1);
      for (let n = 1; n < 20; n++) turn.keys.set("count" + n, n);
    },
  },
});
`;

const RETRIES = 8;
/** Of what comes within seconds; who waits for ever keeps the whole run from ending. */
const MAX_TRIES = 600;

interface Inspected {
  readonly state: string;
  readonly reason: string;
  readonly waiting: { readonly [shard: string]: number };
  readonly resumesAt: number | null;
  readonly budget: { readonly over: OverBudget | null };
}

function budget(home: Home, resumeAfterMs: number): void {
  const file = join(home.dir, "config", "policy.json");
  const policy = JSON.parse(readFileSync(file, "utf8")) as { [name: string]: unknown };
  policy["budgets"] = {
    ephemeral: { messages_per_s: 1, patience_ms: 500, resume_after_ms: resumeAfterMs },
  };
  writeFileSync(file, JSON.stringify(policy));
}

const inspect = (home: Home): Promise<Inspected> => home.json("capsule", "inspect", "acme.counter");
const publish = (home: Home): Promise<unknown> => home.json("topic", "publish", ASKED, "{}");

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tried = 0; !(await isSo()); tried++) {
    assert.ok(tried < MAX_TRIES, `not yet: ${String(isSo)}`);
    await sleep(100);
  }
}

async function counted(home: Home): Promise<number> {
  const { code, out } = await home.run("state", "get", "acme.counter", "count", "-o", "json");
  return code === 0 ? (JSON.parse(out) as { value: number }).value : 0;
}

test("what comes while a capsule is suspended over its budget is consumed once it is resumed, by hand or by policy", async () => {
  await using home = new Home();
  // On a busy machine a turn may meet its deadline, and none of them is to be a dead letter.
  const dir = await subscriber(home, SOURCE, RETRIES);
  assert.equal((await home.run("key", "list")).code, 0);
  const first = await home.boot("--capsules", dir);
  await first.kill("SIGTERM");

  budget(home, 3_600_000);
  const second = await home.boot("--capsules", dir);
  const isSuspended = async (): Promise<boolean> => (await inspect(home)).state === "suspended";
  for (let count = 0; count < 3; count++) await publish(home);
  await until(isSuspended);
  const before = await counted(home);
  await publish(home);
  const { reason, waiting, resumesAt, budget: told } = await inspect(home);
  assert.equal(reason, "CAPSULE_OVER_BUDGET");
  assert.equal(waiting["acme.counter/0"], 4 - before);
  assert.deepEqual(
    [told.over?.by, (resumesAt ?? 0) - (told.over?.suspendedAt ?? 0)],
    ["messages", 3_600_000],
  );
  const shown = (await home.run("capsule", "inspect", "acme.counter")).out;
  assert.match(shown, /^state +suspended, CAPSULE_OVER_BUDGET$/m);
  assert.match(
    shown,
    /^used +\d+ turns, \d+ messages, .* in and out, \d+ ms of processor; 0 B of memory now$/m,
  );
  assert.doesNotMatch(shown, /^used .* 0 B in and out/m);
  assert.match(shown, /^budget +1 messages a second; suspended for 1 h 0 min once slowed for 500 ms$/m);
  assert.match(shown, /^over +its messages; slowed since .* UTC, suspended at .* UTC$/m);
  assert.match(shown, /^resumed +by policy at .* UTC; at once: vnes capsule resume acme\.counter$/m);
  assert.match(
    (await home.run("call", "acme.counter", "add", "{}")).err,
    /^CAPSULE_SUSPENDED .*\nnext: vnes capsule resume acme\.counter$/m,
  );
  const resumed = await home.run("capsule", "resume", "acme.counter");
  assert.match(resumed.out, /active .* ASKED$/m);
  await until(async () => (await counted(home)) === 4);
  await second.kill("SIGTERM");

  budget(home, 500);
  await home.boot("--capsules", dir);
  for (let count = 0; count < 2; count++) await publish(home);
  await until(async () => (await counted(home)) === 6);
  assert.equal((await inspect(home)).reason, "BUDGET_RENEWED");
});
