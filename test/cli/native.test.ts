/** The way of an author in C: from `capsule new` to a program that answers, and what it may not say of itself. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a native capsule is compiled, built, installed, boots, answers, survives a killed node and replays", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  const made = await home.run("capsule", "new", "acme.greeter", "--dir", dir, "--language", "native");
  assert.equal(made.code, 0, made.err);
  const [, compile = ""] = /^next: (.*) && vnes capsule build/m.exec(made.out) ?? [];
  assert.match(compile, / cc -O2 /);
  execFileSync("sh", ["-c", compile]);
  for (const command of ["build", "verify", "install"]) {
    const { code, err } = await home.run("capsule", command, dir);
    assert.equal(code, 0, `${command}: ${err}`);
  }
  const greet = async (): Promise<unknown> =>
    (await home.json<{ value: unknown }>("call", "acme.greeter", "greet", '{"name":"Ada"}')).value;
  const node = await home.boot("--unconfined-dev");
  assert.deepEqual(await greet(), { greeting: "Hello, Ada!", times: 1 });
  await node.kill("SIGKILL");
  const again = await home.boot("--unconfined-dev");
  assert.deepEqual(await greet(), { greeting: "Hello, Ada!", times: 2 });
  const replayed = await home.json<{ difference: unknown }>("replay", "acme.greeter");
  assert.equal(replayed.difference, null);
  await again.kill("SIGTERM");
});

test("a native program that says it is deterministic is not admitted", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  await home.run("capsule", "new", "acme.greeter", "--dir", dir, "--language", "native");
  mkdirSync(join(dir, "impl"));
  writeFileSync(join(dir, "impl/main"), "\x7fELF\0");
  const file = join(dir, "manifest.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { capabilities: { determinism_tier: string } };
  manifest.capabilities.determinism_tier = "D0_bit_exact";
  writeFileSync(file, JSON.stringify(manifest));
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const { code, out } = await home.run("capsule", "verify", dir);
  assert.equal(code, 4, out);
  assert.match(out, /^NATIVE_NOT_DETERMINISTIC {2}acme\.greeter/m);
});
