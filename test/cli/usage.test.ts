/** Command lines that are wrong, and answers for programs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a wrong command line is exit 2 and says what was meant", async () => {
  await using home = new Home();
  const cases: [string[], RegExp][] = [
    [["statos"], /statos is not understood; did you mean status\?\nnext: vnes status/],
    [["status", "--nodee", "x"], /--nodee is not understood; did you mean --node\?/],
    [["capsule", "verifi", "x"], /did you mean verify\?\nnext: vnes capsule verify/],
    [["capsule"], /next: vnes capsule --help/],
    [["capsule", "build"], /needs more than that/],
    [[], /next: vnes --help/],
    [["status", "-o", "xml"], /Invalid values/],
    [["call", "vpn.session", "list", "--timeout", "soon"], /--timeout takes a number/],
    [["boot", "--node", "No Name"], /CONFIG_NODE_NAME_INVALID/],
  ];
  for (const [args, expected] of cases) {
    const { code, err, out } = await home.run(...args);
    assert.equal(code, 2, `${args.join(" ")}: ${err}`);
    assert.match(err, expected);
    assert.equal(out, "", "data and talk are apart");
  }
});

test("an error in JSON has the same shape for every command (vnes.error.v1)", async () => {
  await using home = new Home();
  const { code, err } = await home.run("status", "-o", "json");
  const error = JSON.parse(err) as Record<string, unknown>;
  assert.equal(error["schema"], "vnes.error.v1");
  assert.equal(error["code"], "NODE_NOT_RUNNING");
  assert.equal(error["exit"], code);
});

test("a socket path that no unix socket can have is refused by name", async () => {
  await using home = new Home();
  const dir = join(home.dir, "d".repeat(100));
  for (const command of ["boot", "status"]) {
    const { code, err } = await home.run(command, "--data-dir", dir);
    assert.equal(code, 2, err);
    assert.match(err, /^CONTROL_PATH_TOO_LONG .*control\.sock/m);
  }
});

test("a configuration that is wrong says where (CONFIG_INVALID)", async () => {
  await using home = new Home();
  const file = join(home.dir, "config.json");
  writeFileSync(file, '{"schema_version":"v1","node":"a","nod":1}');
  const wrong = await home.run("boot", "--config", file);
  assert.equal(wrong.code, 2, wrong.err);
  assert.match(wrong.err, /^CONFIG_INVALID .*nod/m);
  assert.equal((await home.run("boot", "--config", `${file}.no`)).code, 3);
});

test("doctor finds everything here, and NO_COLOR and pipes get plain text", async () => {
  await using home = new Home();
  const { code, out, err } = await home.run("doctor");
  assert.equal(code, 0, out + err);
  assert.ok(!out.includes("\u001b"));
});
