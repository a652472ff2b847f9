/** Command lines that are wrong, and answers for programs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { closeSync, cpSync, openSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a wrong command line is exit 2 and says what was meant", async () => {
  await using home = new Home();
  const cases: [string[], RegExp][] = [
    [["statos"], /statos is not understood; did you mean status\?\nnext: vnes status/],
    [["statsu"], /did you mean status\?/],
    [["status", "--nodee", "x"], /--nodee is not understood; did you mean --node\?/],
    [["capsule", "verifi", "x"], /did you mean verify\?\nnext: vnes capsule verify/],
    [["capsule"], /next: vnes capsule --help/],
    [["capsule", "build"], /^CLI_USAGE +vnes capsule build needs <dir>\nnext: vnes capsule build --help/m],
    [["topic", "publish", "a.v1"], /vnes topic publish needs <event>/],
    [["state", "get"], /vnes state get needs <capsule>/],
    [[], /next: vnes --help/],
    [["status", "-o", "xml"], /Invalid values/],
    [["call", "vpn.session", "list", "--timeout", "soon"], /--timeout takes a number/],
    [["state", "diff", "acme.lab", "x"], /^CLI_USAGE +from takes a number\nnext: vnes state diff --help/m],
    [["state", "diff", "acme.lab", "1", "x"], /^CLI_USAGE +to takes a number/m],
    [["boot", "--node", "No Name"], /CONFIG_NODE_NAME_INVALID/],
    [["status", "--node", "n".repeat(41)], /CONFIG_NODE_NAME_INVALID/],
    [
      ["ledger", "verify", "--shard", "a/0", "--shard=b/0"],
      /^CLI_USAGE +--shard is given more than once.*\nnext: vnes ledger verify --help/m,
    ],
    [["status", "--home", "/tmp/a", "--home", "/tmp/b"], /--home is given more than once/],
    [
      ["capsule", "uninstall", "acme.greeter", "--version", "0.1.0"],
      /^CLI_USAGE +--version asks .*\nnext: vnes capsule uninstall --help/m,
    ],
    [["status", "-o", "text", "--output", "text"], /--output is given more than once/],
    [
      ["topic", "replay", "t", "--to", "c", "--from", "1", "--yes", "--no-yes"],
      /--yes is given more than once/,
    ],
  ];
  for (const [args, expected] of cases) {
    const { code, err, out } = await home.run(...args);
    assert.equal(code, 2, `${args.join(" ")}: ${err}`);
    assert.match(err, expected);
    assert.equal(out, "", "data and talk are apart");
  }
});

test("an option that is a list takes what every one of its flags says", async () => {
  await using home = new Home();
  const made = await home.run("key", "new", "mine", "--namespace", "acme.*", "--namespace=lab.*");
  assert.match(made.out, /^signs for +acme\.\* lab\.\*$/m);
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

test("a file that never ends, or is no file, is refused by name at once", async () => {
  await using home = new Home();
  for (const file of ["/dev/zero", home.dir]) {
    const { code, err } = await home.run("receipt", "verify", file);
    assert.equal(code, 2, err);
    assert.match(err, /^EXECUTION_RECEIPT_FILE_UNUSABLE .*not a regular file/m);
    const config = await home.run("status", "--config", file);
    assert.equal(config.code, 2, config.err);
    assert.match(config.err, /^CONFIG_INVALID .*not a regular file/m);
  }
  const large = join(home.dir, "large");
  writeFileSync(large, "");
  truncateSync(large, 64 * 1024 * 1024);
  const { code, err } = await home.run("receipt", "verify", large);
  assert.equal(code, 2, err);
  assert.match(err, /^EXECUTION_RECEIPT_FILE_UNUSABLE .*67108864 bytes/m);
});

test("an answer that cannot be written is one coded line and exit 1", () => {
  const bin = fileURLToPath(new URL("../../cli/bin/vnes.js", import.meta.url));
  const full = openSync("/dev/full", "w");
  try {
    const ran = spawnSync(process.execPath, [bin, "doctor"], {
      stdio: ["ignore", full, "pipe"],
      timeout: 60_000,
    });
    const err = ran.stderr.toString();
    assert.equal(ran.status, 1, err);
    assert.match(err, /^CLI_OUTPUT_FAILED .*ENOSPC/m);
    assert.doesNotMatch(err, /^ +at .*:\d+/m);
  } finally {
    closeSync(full);
  }
});

test("a value the node refuses is a wrong command line, with the name of the option", async () => {
  await using home = new Home();
  await home.boot("--unconfined-dev");
  const id = "vnes.vpn.session";
  const cases: [string[], RegExp][] = [
    [["state", "list", id, "--limit", "0"], /^CLI_USAGE  --limit .*\nnext: vnes state list --help/m],
    [["state", "get", id, "k", "--shard=-1"], /^CLI_USAGE  --shard /m],
    [["state", "get", id, ""], /^CLI_USAGE  key must .*\nnext: vnes state get --help/m],
    [["state", "at", id, "1", ""], /^CLI_USAGE  key must /m],
    [["state", "branch", "new", id, "--from=-1"], /^CLI_USAGE  --from /m],
    [["state", "branch", "advance", "b", "0"], /^CLI_USAGE  ms /m],
    [["state", "branch", "advance", "b", "soon"], /^CLI_USAGE /m],
  ];
  for (const [args, expected] of cases) {
    const { code, err } = await home.run(...args);
    assert.equal(code, 2, `${args.join(" ")}: ${err}`);
    assert.match(err, expected);
  }
});

test("completion is written for the shell that is named", async () => {
  await using home = new Home();
  const scripts = { bash: /^###-begin-vnes-completions/, zsh: /^#compdef vnes/ };
  for (const [shell, begins] of Object.entries(scripts)) {
    const { code, err, out } = await home.run("completion", shell);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, begins);
  }
  const help = await home.run("completion", "--help");
  assert.equal(help.code, 0);
  assert.match(help.out, /^vnes completion \[shell\]\n\nWrite a completion script/);
  const none = await home.run("completion", "tcsh");
  assert.deepEqual([none.code, none.out], [2, ""]);
  const words = await home.run("--get-yargs-completions", "vnes", "key", "");
  assert.match(words.out, /^list\b/m);
});

/** All but what Node keeps of compiled code, which is nobody's state. */
function filesOf(home: Home): readonly string[] {
  return readdirSync(home.dir, { recursive: true, encoding: "utf8" })
    .filter((file) => !file.startsWith("xdg-cache"))
    .sort();
}

test("doctor looks and changes nothing: in an empty home it makes no keys", async () => {
  await using home = new Home();
  const before = filesOf(home);
  const looked = await home.run("doctor");
  assert.match(looked.out, /^authority +note +none yet: /m, looked.out + looked.err);
  assert.deepEqual(filesOf(home), before);
  // Where there is one it is looked at, and stays as it is.
  assert.equal((await home.run("key", "list")).code, 0);
  const made = filesOf(home);
  assert.ok(made.length > before.length);
  assert.match((await home.run("doctor")).out, /^authority +ok +\d+ keys trusted/m);
  assert.deepEqual(filesOf(home), made);
});

test("doctor does not keep which trust document it saw; who goes by one does", async () => {
  await using home = new Home();
  const config = join(home.dir, "config");
  assert.equal((await home.run("key", "list")).code, 0);
  const kept = join(home.dir, "kept");
  cpSync(config, kept, { recursive: true });
  assert.equal((await home.run("key", "new", "more")).code, 0);
  cpSync(join(config, "trust.json"), join(kept, "trust.json"));
  // `kept` has seen version 1, and holds version 2.
  const lastVersion = (): unknown =>
    (JSON.parse(readFileSync(join(kept, "trust-state.json"), "utf8")) as { last_version: unknown })
      .last_version;
  const file = join(home.dir, "by.json");
  const trust = join(kept, "trust.json");
  writeFileSync(file, JSON.stringify({ schema_version: "v1", node: "local", trust }));
  for (const [command, version] of [
    ["doctor", 1],
    ["key list", 2],
  ] as const) {
    assert.equal((await home.run(...command.split(" "), "--config", file)).code, 0);
    assert.equal(lastVersion(), version, command);
  }
  // The same of a machine's own document.
  cpSync(kept, config, { recursive: true });
  const state = join(config, "trust-state.json");
  writeFileSync(state, readFileSync(state, "utf8").replace('"last_version": 2', '"last_version": 1'));
  const before = readFileSync(state, "utf8");
  assert.match((await home.run("doctor")).out, /^authority +ok .*version 2/m);
  assert.equal(readFileSync(state, "utf8"), before);
});
