/** Where strangers went wrong, and that what they were told led them on. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ASKED, subscriber } from "./counter.ts";
import { Home } from "./vnes.ts";

const GATEWAY = `${"A".repeat(43)}=`;

test("a capsule that its configuration keeps from starting says at the boot why, and where to mend it", async () => {
  await using home = new Home();
  const config = join(home.dir, "config.json");
  const candidate = { path: "udp", kind: "udp", address: "127.0.0.1", port: 51820 };
  const client = { gateway: GATEWAY, candidates: [candidate] };
  const capsules = { run: ["vnes.vpn.client"], config: { "vnes.vpn.client": client } };
  writeFileSync(config, JSON.stringify({ schema_version: "v1", node: "local", capsules }));
  const booting = home.follow("boot", "--config", config, "--unconfined-dev");
  while (!booting.out().includes("next: vnes status")) await new Promise((done) => setTimeout(done, 50));
  assert.equal(await booting.interrupt(), 0);
  const [, line = "", next = ""] = booting.out().split("\n");
  assert.match(line, /^CAPSULE_DOWN .*CLIENT_CONFIG_INVALID at \/candidates\/0\/path: unknown field$/);
  assert.match(next, /capsules\.config .*vnes capsule inspect .*vnes\.vpn\.client/);
});

test("where another node runs than the one that is asked, it is named", async () => {
  await using home = new Home();
  assert.match((await home.run("session", "list")).err, /^NODE_NOT_RUNNING .*\nnext: vnes boot$/m);
  const config = join(home.dir, "config.json");
  writeFileSync(
    config,
    JSON.stringify({ schema_version: "v1", node: "local", capsules: { run: ["vnes.core.geometry"] } }),
  );
  for (const node of ["two", "one"]) await home.boot("--node", node, "--config", config);
  const { code, err } = await home.run("session", "list");
  assert.equal(code, 3, err);
  assert.match(err, /^NODE_OTHER_RUNS .*local.*: one, two\.\nnext: .*vnes status --node one$/m);
  assert.equal((await home.run("status", "--node", "one")).code, 0);
  assert.match((await home.run("status", "--node", "tow")).err, /^NODE_OTHER_RUNS .*tow/m);
});

test("dead letters, a method without a handler and an incident named as a capsule lead to what tells more", async () => {
  await using home = new Home();
  const code = `import { capsule } from "@vnes/sdk";
    export default capsule({ events: { "${ASKED}": () => { throw new Error("boom"); } } });`;
  const dir = await subscriber(home, code);
  assert.equal((await home.run("capsule", "install", dir)).code, 0);
  await home.boot("--unconfined-dev");
  const pointer = /vnes topic tail vnes\.deadletter\.v1/;
  const looks = [
    ["topic", "show", ASKED],
    ["capsule", "inspect", "acme.counter"],
  ];
  for (const look of looks) assert.doesNotMatch((await home.run(...look)).out, pointer);
  assert.equal((await home.run("topic", "publish", ASKED, "{}")).code, 0);
  const tail = async (): Promise<string> => (await home.run("topic", "tail", "vnes.deadletter.v1")).out;
  while (!(await tail()).includes("TURN_HANDLER_THREW")) await new Promise((done) => setTimeout(done, 50));
  for (const look of looks) assert.match((await home.run(...look)).out, pointer);

  const called = await home.run("call", "acme.counter", "add");
  assert.equal(called.code, 1, called.err);
  assert.match(
    called.err,
    /^CALL_HANDLER_MISSING .*acme\.counter\.add.*\nnext: .*handler named acme\.counter\.add/m,
  );

  const file = join(home.dir, "inc.json");
  writeFileSync(file, "{}");
  const replayed = await home.run("replay", file);
  assert.equal(replayed.code, 2, replayed.err);
  assert.ok(replayed.err.includes(`next: vnes replay --file ${file}`), replayed.err);
});

test("a build of what was not compiled yet repeats how it is compiled", async () => {
  await using home = new Home();
  for (const language of ["native", "assemblyscript"]) {
    const dir = join(home.dir, language);
    const made = await home.run("capsule", "new", "acme.greeter", "--dir", dir, "--language", language);
    const next = /^next: .*$/m.exec(made.out)?.[0] ?? "no next";
    const built = await home.run("capsule", "build", dir);
    assert.equal(built.code, 2, built.err);
    assert.match(built.err, /^CAPSULE_NOT_COMPILED .*src\//m);
    assert.ok(built.err.includes(next), `${built.err} without ${next}`);
  }
});
