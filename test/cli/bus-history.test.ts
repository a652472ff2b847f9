/** What a node has kept on a NATS server can be run again, looked back at and shown to others, as from a file of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { counter, source } from "./counter.ts";
import { Home } from "./vnes.ts";

const CALLS = 5;

interface Replayed {
  readonly turns: number;
  readonly recordedHash: string;
  readonly replayedHash: string;
  readonly difference: { readonly seq: number; readonly key: string } | null;
}

interface Change {
  readonly seq: number;
  readonly value: number;
}

interface Kept {
  readonly values: readonly (readonly [key: string, value: number, version: number])[];
}

test("replay, state and receipts of a ledger on NATS, also after the node was killed and its server started again", async () => {
  await using servers = await startNatsServers();
  await using home = new Home();
  const dir = await counter(home, "counter", source(1, false));
  const other = await counter(home, "other", source(2, false));
  const boot = ["--capsules", dir, "--unconfined-dev", "--bus", servers.urls.join()];
  const node = await home.boot(...boot);
  for (let call = 0; call < CALLS; call++) await home.json("call", "acme.counter", "add", "{}");
  await node.kill("SIGKILL");
  await servers.kill();
  await servers.start();
  const again = await home.boot(...boot);
  assert.equal((await home.json<{ value: number }>("call", "acme.counter", "add", "{}")).value, CALLS + 1);

  const equal = await home.json<Replayed>("replay", "acme.counter");
  assert.equal(equal.difference, null);
  // A start for each boot.
  assert.equal(equal.turns, CALLS + 3);
  assert.equal(equal.recordedHash, equal.replayedHash);
  const changed = await home.run("replay", "acme.counter", "--against", other, "-o", "json");
  assert.equal(changed.code, 1, changed.err);
  const { difference } = JSON.parse(changed.out) as Replayed;
  assert.equal(difference?.key, "count");

  const { changes } = await home.json<{ changes: readonly Change[] }>(
    "state",
    "history",
    "acme.counter",
    "count",
  );
  assert.deepEqual(
    changes.map(({ value }) => value),
    [6, 5, 4, 3, 2, 1],
  );
  const third = changes.find(({ value }) => value === 3);
  const then = await home.json<Kept>("state", "at", "acme.counter", String(third?.seq));
  assert.deepEqual(then.values, [["count", 3, third?.seq]]);

  const file = join(home.dir, "counter.receipt.json");
  const exported = await home.run("receipt", "export", "acme.counter", "--out", file);
  assert.equal(exported.code, 0, exported.err);
  await again.kill("SIGTERM");
  const verified = await home.run("receipt", "verify", file);
  assert.equal(verified.code, 0, verified.err);
});
