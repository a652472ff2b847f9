/** `vnes replay` as a person uses it: equal, another bundle, and a capsule that is not what it says it is. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { counter, source } from "./counter.ts";
import { Home } from "./vnes.ts";

interface Answer {
  readonly turns: number;
  readonly recordedHash: string;
  readonly replayedHash: string;
  readonly diverged: boolean;
  readonly against: { readonly verified: boolean } | null;
  readonly difference: { readonly key: string; readonly recorded: number; readonly replayed: number } | null;
}

test("a replay is equal; with one constant changed it names the first turn that differs; the node goes on", async () => {
  await using home = new Home();
  const dir = await counter(home, "counter", source(1, false));
  const other = await counter(home, "other", source(2, false));
  const node = await home.boot("--capsules", dir, "--unconfined-dev");
  for (let call = 0; call < 5; call++) await home.json("call", "acme.counter", "add", "{}");

  const equal = await home.json<Answer>("replay", "acme.counter");
  assert.equal(equal.difference, null);
  assert.equal(equal.turns, 6);
  assert.equal(equal.recordedHash, equal.replayedHash);

  const ran = await home.run("replay", "acme.counter", "--against", other);
  assert.equal(ran.code, 1, ran.err);
  assert.match(ran.out, /first difference[\s\S]*write count[\s\S]*recorded +1\n[\s\S]*now +2/);
  const { code, out } = await home.run(
    "replay",
    "acme.counter",
    "--against",
    other,
    "--from",
    "4",
    "-o",
    "json",
  );
  assert.equal(code, 1);
  const { difference, diverged, against } = JSON.parse(out) as Answer;
  assert.deepEqual([difference?.key, difference?.recorded, difference?.replayed], ["count", 2, 3]);
  assert.deepEqual([diverged, against !== null], [false, true]);

  // The first record is the activation itself.
  const none = await home.run("replay", "acme.counter", "--to", "1");
  assert.equal(none.code, 0, none.err);
  assert.match(none.out, /^turns +none in these records$/m);
  assert.match(none.out, /^outputs +none to compare/m);

  const wrong = await home.run("replay", "acme.counter", "--from", "90");
  assert.equal(wrong.code, 3);
  assert.match(wrong.err, /REPLAY_RANGE_EMPTY/);
  for (const command of [["replay"], ["receipt", "export", "--out", join(home.dir, "none.json")]]) {
    const beyond = await home.run(...command, "acme.counter", "--shard", "4");
    assert.equal(beyond.code, 2, beyond.err);
    assert.match(beyond.err, /^STATE_SHARD_UNKNOWN .*has 1 shards, .* and 4 names none/m);
  }
  assert.match((await home.run("replay", "acme.nobody")).err, /CAPSULE_UNKNOWN/);
  assert.match((await home.run("replay", "vnes.vpn.transport")).err, /REPLAY_NOT_LOGIC/);
  // Nothing of it reached the capsule that runs.
  assert.equal((await home.json<{ value: number }>("call", "acme.counter", "add", "{}")).value, 6);
  await node.kill("SIGTERM");
});

test("a capsule that says it is deterministic and is not is suspended and reported", async () => {
  await using home = new Home();
  const dir = await counter(home, "counter", source(1, true));
  const node = await home.boot("--capsules", dir, "--unconfined-dev");
  for (let call = 0; call < 5; call++) await home.json("call", "acme.counter", "add", "{}");
  const { code, out, err } = await home.run("replay", "acme.counter", "--from", "4");
  assert.equal(code, 5, err);
  assert.match(out, /first difference/);
  assert.match(err, /REPLAY_DIVERGED/);
  const status = await home.run("status");
  assert.equal(status.code, 1);
  assert.match(status.out, /CAPSULE_DIVERGED/);
  assert.match(status.out, /next: vnes replay acme.counter shows .* then vnes capsule resume acme.counter$/m);
  const refused = await home.run("call", "acme.counter", "add", "{}");
  assert.match(refused.err, /CAPSULE_SUSPENDED/);
  const summary = await home.json<{ value: unknown }>("call", "observability", "summary", "{}");
  assert.match(JSON.stringify(summary.value), /CAPSULE_DIVERGED/);
  await node.kill("SIGTERM");
});
