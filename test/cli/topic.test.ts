/** `vnes topic` against a running node: the built-in topics, and one of a new capsule. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

const TOPIC = "acme.greeter.greeted.v1";

test("topics are listed, shown, published to, tailed, and refused by name", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  await home.run("capsule", "new", "acme.greeter", "--dir", dir);
  await home.run("capsule", "build", dir);
  assert.equal((await home.run("capsule", "install", dir)).code, 0);
  await home.boot("--unconfined-dev");

  const { topics } = await home.json<{ topics: { topic: string; quality: string; events: number | null }[] }>(
    "topic",
    "list",
  );
  const names = topics.map(({ topic }) => topic);
  for (const name of [TOPIC, "vnes.lifecycle.v1", "vnes.deadletter.v1"])
    assert.ok(names.includes(name), name);
  const lifecycle = topics.find(({ topic }) => topic === "vnes.lifecycle.v1");
  assert.ok((lifecycle?.events ?? 0) > 0);
  assert.match((await home.run("topic", "list")).out, /^TOPIC +OWNER +QUALITY +POLICY +KEPT +WRITTEN/);
  assert.match((await home.run("status")).out, /^ledger +(\d+) kept of \1 records written in \d+ shards/m);

  await home.json("call", "acme.greeter", "greet", '{"name":"Ada"}');
  const good = await home.run("topic", "publish", TOPIC, '{"name":"Bob","times":7}', "--key", "Bob");
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /^published {2}acme\.greeter\.greeted\.v1 partition 0, by kernel\/local:\d+:0$/m);
  const bad = await home.run("topic", "publish", TOPIC, '{"name":"Bob","times":0}');
  assert.equal(bad.code, 2);
  assert.match(bad.err, /^TOPIC_EVENT_INVALID .*\/times: must be >= 1/m);
  const forged = await home.run("topic", "publish", "vnes.lifecycle.v1", "{}");
  assert.equal(forged.code, 4);
  assert.match(forged.err, /^TOPIC_OF_KERNEL /m);
  assert.match((await home.run("topic", "publish", TOPIC, "{")).err, /^TOPIC_EVENT_NOT_JSON /m);
  const twice = await home.run("topic", "publish", TOPIC, '{"name":"Bob","times":7,"times":8}');
  assert.equal(twice.code, 2);
  assert.match(twice.err, /^JSON_DUPLICATE_KEY +The event has the key at \/times twice/m);
  assert.match(
    (await home.run("call", "acme.greeter", "greet", '{"n":9007199254740993}')).err,
    /^JSON_NUMBER +The input .*\/n/m,
  );
  assert.equal((await home.run("topic", "show", "acme.none.v1")).code, 3);

  const tail = await home.run("topic", "tail", TOPIC);
  assert.match(
    tail.out,
    /^0:1 .* Ada {2}\{"name":"Ada","times":1\}\n0:2 .* Bob {2}\{"name":"Bob","times":7\}\n$/,
  );
  const second = await home.run("topic", "tail", TOPIC, "--from", "2", "-o", "json");
  const event = JSON.parse(second.out) as { schema: string; seq: number };
  assert.deepEqual([event.schema, event.seq], ["vnes.topic.event.v1", 2]);
  assert.equal((await home.run("topic", "tail", "vpn.channel.v1")).code, 2);
  assert.match((await home.run("topic", "tail", TOPIC, "--from", "noon")).err, /^TOPIC_PLACE_INVALID /m);

  const shown = await home.run("topic", "show", "vnes.lifecycle.v1");
  assert.match(shown.out, /^vnes\.core\.observability\/0 +0 +\d+ +0 of 1024 +block /m);
  assert.match(shown.out, /^events +0: 1 to (\d+); \1 kept of \1 written$/m);
  const place = ["vnes.lifecycle.v1", "--to", "vnes.core.observability", "--from", "1"];
  const unsure = await home.run("topic", "replay", ...place);
  assert.equal(unsure.code, 2);
  assert.match(unsure.err, /^TOPIC_REPLAY_UNCONFIRMED /m);
  const before = await seen(home);
  const replayed = await home.run("topic", "replay", ...place, "--yes");
  assert.equal(replayed.code, 0, replayed.err);
  for (let patience = 0; (await seen(home)) <= before && patience < 50; patience++)
    await new Promise((resume) => setTimeout(resume, 100));
  assert.ok((await seen(home)) > before, "the subscriber took them again");
});

async function seen(home: Home): Promise<number> {
  return (await home.json<{ value: { seen: number } }>("call", "observability", "summary")).value.seen;
}
