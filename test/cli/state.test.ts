/** `vnes state` as a person uses it, on a real node with a capsule of its own. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

const SOURCE = `
import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "acme.box.put": (turn, input) => {
      const { key, value, ...options } = input as any;
      turn.keys.set(key, value, options);
      turn.setTimer("note:1", turn.at + 3_600_000, key);
      return turn.keys.version(key);
    },
    "acme.box.drop": (turn, input) => {
      turn.keys.delete((input as any).key);
      return null;
    },
  },
  timers: { note: (turn, key) => turn.keys.set("box/noted", key) },
});
`;

async function box(home: Home): Promise<string> {
  const dir = join(home.dir, "box");
  const { code, err } = await home.run("capsule", "new", "acme.box", "--dir", dir);
  assert.equal(code, 0, err);
  writeFileSync(join(dir, "src/main.ts"), SOURCE);
  const manifest = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8")) as {
    state?: unknown;
    capabilities: { determinism_tier?: string; provides: string[] };
  };
  manifest.state = { owns: ["box/"] };
  manifest.capabilities = { determinism_tier: "D0_bit_exact", provides: ["acme.box"] };
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
  const object = { type: "object" };
  const schema = { $defs: { "acme.box.put.input": object, "acme.box.drop.input": object } };
  writeFileSync(join(dir, "spec/schema.json"), JSON.stringify(schema));
  const built = await home.run("capsule", "build", dir);
  assert.equal(built.code, 0, built.err);
  return dir;
}

interface Read {
  readonly seq: number;
  readonly values: readonly (readonly [string, unknown, number])[];
  readonly next: string | null;
}

test("state is shown as it is and as it was, with versions; what is not there has a code and an exit", async () => {
  await using home = new Home();
  const node = await home.boot("--capsules", await box(home), "--unconfined-dev");
  const put = (input: object): Promise<unknown> =>
    home.json("call", "acme.box", "put", JSON.stringify(input));
  await put({ key: "box/a", value: 1 });
  await put({ key: "box/b", value: { deep: [true] } });
  await put({ key: "box/a", value: 2 });

  const one = await home.json<{ schema: string; value: unknown; version: number; seq: number }>(
    "state",
    "get",
    "acme.box",
    "box/a",
  );
  assert.deepEqual([one.schema, one.value, one.version], ["vnes.state.get.v1", 2, one.seq]);
  const listed = await home.json<Read>("state", "list", "acme.box", "--limit", "1");
  assert.deepEqual([listed.values.map(([key]) => key), listed.next], [["box/a"], "box/a"]);
  const rest = await home.json<Read>("state", "list", "acme.box", "--after", "box/a");
  assert.deepEqual(rest.values, [["box/b", { deep: [true] }, one.seq - 1]]);

  const before = await home.json<Read>("state", "at", "acme.box", String(one.seq - 1));
  assert.deepEqual(before.values, [
    ["box/a", 1, one.seq - 2],
    ["box/b", { deep: [true] }, one.seq - 1],
  ]);
  for (const moment of ["0", "1970-01-02T00:00:00Z"]) {
    const { out } = await home.run("state", "at", "acme.box", moment);
    assert.match(out, /^shard +acme\.box\/0\nrecord +none: before the first\n\nno keys$/m);
  }
  const now = await home.json<Read>("state", "at", "acme.box", new Date(Date.now() + 60_000).toISOString());
  assert.equal(now.seq, one.seq);
  await home.json("call", "acme.box", "drop", '{"key":"box/b"}');
  const history = await home.json<{ changes: { change: string; value: unknown }[] }>(
    "state",
    "history",
    "acme.box",
    "box/b",
  );
  assert.deepEqual(
    history.changes.map(({ change, value }) => [change, value]),
    [
      ["deleted", null],
      ["written", { deep: [true] }],
    ],
  );
  const diff = await home.run("state", "diff", "acme.box", String(one.seq - 1));
  assert.match(diff.out, /~ +box\/a +1 +2\n- +box\/b/);

  const conflict = await home.run("call", "acme.box", "put", '{"key":"box/a","value":3,"expect":1}');
  assert.equal(conflict.code, 7, conflict.err);
  assert.match(conflict.err, /TURN_VERSION_CONFLICT/);
  for (const [args, code, exit] of [
    [["get", "acme.box", "box/z"], "STATE_KEY_UNKNOWN", 3],
    [["get", "acme.nobody", "x"], "STATE_OWNER_UNKNOWN", 3],
    [["get", "acme.box", "box/a", "--shard", "7"], "STATE_SHARD_UNKNOWN", 2],
    [["at", "acme.box", "99999"], "STATE_SEQ_UNKNOWN", 3],
    [["at", "acme.box", "yesterday"], "CLI_USAGE", 2],
    [["diff", "acme.nobody", "1"], "STATE_SHARD_EMPTY", 3],
  ] as const) {
    const ran = await home.run("state", ...args);
    assert.equal(ran.code, exit, ran.err);
    assert.ok(ran.err.includes(code), ran.err);
  }
  await node.kill("SIGTERM");
});

test("a branch is made, given calls, compared and discarded; the capsule goes on as if nothing had been", async () => {
  await using home = new Home();
  const node = await home.boot("--capsules", await box(home), "--unconfined-dev");
  await home.json("call", "acme.box", "put", '{"key":"box/a","value":1}');
  const made = await home.json<{ branch: { name: string; from: number } }>(
    "state",
    "branch",
    "new",
    "acme.box",
  );
  const { name, from } = made.branch;
  assert.equal(name, "b1");
  const called = await home.run(
    "state",
    "branch",
    "call",
    "b1",
    "acme.box",
    "put",
    '{"key":"box/a","value":9}',
  );
  assert.equal(called.code, 0, called.err);
  assert.match(
    called.out,
    new RegExp(`record ${from + 1} +call acme.box.put[\\s\\S]*write box/a 9[\\s\\S]*answer`),
  );
  const later = await home.json<{ turns: { delivery: { kind: string } }[] }>(
    "state",
    "branch",
    "advance",
    "b1",
    "3600000",
  );
  assert.deepEqual(
    later.turns.map(({ delivery }) => delivery.kind),
    ["timer"],
  );
  assert.equal((await home.json<{ value: number }>("state", "get", "acme.box", "box/a")).value, 1);
  await home.json("call", "acme.box", "put", '{"key":"box/b","value":2}');
  const fed = await home.json<{ branch: { fed: number } }>("state", "branch", "feed", "b1");
  assert.equal(fed.branch.fed, from + 1);
  const diff = await home.run("state", "branch", "diff", "b1");
  assert.match(diff.out, /~ +box\/a +1 +9\n\+ +box\/noted/);
  assert.doesNotMatch(diff.out, /box\/b/);
  assert.match((await home.run("state", "branch", "list")).out, /b1 +acme.box\/0/);
  const wrong = await home.run("state", "branch", "call", "b1", "acme.box", "put", "[");
  assert.equal(wrong.code, 2);
  const failed = await home.run(
    "state",
    "branch",
    "call",
    "b1",
    "acme.box",
    "put",
    '{"key":"other","value":1}',
  );
  assert.equal(failed.code, 1);
  assert.match(failed.out, /TURN_KEY_NOT_OWNED/);
  assert.equal((await home.run("state", "branch", "discard", "b1")).code, 0);
  const gone = await home.run("state", "branch", "show", "b1");
  assert.equal(gone.code, 3);
  assert.match(gone.err, /BRANCH_UNKNOWN[\s\S]*vnes state branch list/);
  await node.kill("SIGTERM");
});
