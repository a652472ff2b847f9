/** What `vnes doctor` says of the registry is what a boot would find there. */
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a capsule is installed once, whatever it replaced, and no more once it is taken out", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  const run = async (...args: string[]): Promise<void> => {
    const { code, err } = await home.run("capsule", ...args);
    assert.equal(code, 0, `${args[0]}: ${err}`);
  };
  const installed = async (count: number): Promise<void> =>
    assert.match(
      (await home.run("doctor")).out,
      new RegExp(`^registry +ok +${count} capsules installed$`, "m"),
    );
  await run("new", "acme.greeter", "--dir", dir);
  await run("build", dir);
  await run("install", dir);
  await installed(1);
  appendFileSync(join(dir, "src/main.ts"), "// another image\n");
  await run("build", dir);
  await run("install", dir, "--replace");
  await installed(1);
  await run("uninstall", "acme.greeter");
  await installed(0);
});
