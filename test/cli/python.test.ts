/** The way of an author in Python: from `capsule new` to a capsule that answers, survives a killed node, and replays. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openWalls } from "@vnes/driver-confine";
import { Home } from "./vnes.ts";

test("a capsule in Python builds, verifies, installs, boots, answers, survives a killed node and replays", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  for (const args of [
    ["new", "acme.greeter", "--dir", dir, "--language", "python"],
    ["build", dir],
    ["verify", dir, "--rebuild"],
    ["install", dir],
  ]) {
    const { code, err } = await home.run("capsule", ...args);
    assert.equal(code, 0, `${args[0]}: ${err}`);
  }
  const greet = async (name: string): Promise<unknown> =>
    (await home.json<{ value: unknown }>("call", "acme.greeter", "greet", JSON.stringify({ name }))).value;
  const node = await home.boot("--unconfined-dev");
  assert.deepEqual(await greet("Ada"), { greeting: "Hello, Ada!", times: 1 });
  assert.deepEqual(await greet("Ada"), { greeting: "Hello, Ada!", times: 2 });
  await node.kill("SIGKILL");
  // Behind the wall of its zone, where this machine can put one up.
  const { lacks } = (await openWalls()).platform;
  const again = await home.boot(...(lacks.length === 0 ? [] : ["--unconfined-dev"]));
  assert.deepEqual(await greet("Ada"), { greeting: "Hello, Ada!", times: 3 });
  const replayed = await home.json<{ turns: number; difference: unknown }>("replay", "acme.greeter");
  assert.deepEqual([replayed.difference, replayed.turns], [null, 5]);
  const doctor = await home.run("doctor");
  assert.match(doctor.out, /^python3 +ok +3\./m);
  await again.kill("SIGTERM");
});

test("a turn that hangs or ends its process is told to who asked, and the capsule goes on", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  assert.equal(
    (await home.run("capsule", "new", "acme.greeter", "--dir", dir, "--language", "python")).code,
    0,
  );
  const main = join(dir, "impl/main.py");
  const first = '    name = input["name"]\n';
  const source = readFileSync(main, "utf8");
  assert.ok(source.includes(first));
  const hangsOrEnds = `    while name == "Loop": pass
    if name == "End": random._os._exit(1)
`;
  writeFileSync(
    main,
    source.replace(first, first + hangsOrEnds).replace("from .vnes", "import random\nfrom .vnes"),
  );
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const node = await home.boot("--unconfined-dev", "--capsules", dir);
  const hung = await home.run("call", "acme.greeter", "greet", '{"name":"Loop"}');
  assert.match(hung.err, /^TURN_DEADLINE /m);
  const ended = await home.run("call", "acme.greeter", "greet", '{"name":"End"}');
  assert.match(ended.err, /^TURN_KILLED_HOST /m);
  const { value } = await home.json<{ value: unknown }>("call", "acme.greeter", "greet", '{"name":"Ada"}');
  assert.deepEqual(value, { greeting: "Hello, Ada!", times: 1 });
  await node.kill("SIGTERM");
});
