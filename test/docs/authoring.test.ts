/** What docs/authoring.md gives to copy works as it stands there. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Home } from "../cli/vnes.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(ROOT, "docs/authoring.md"), "utf8");

function jsonWith(word: string): string {
  const found = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].filter(([block]) => block.includes(word));
  assert.equal(found.length, 1, word);
  return found[0]?.[1] ?? "";
}

test("in a folder of one's own, tsc finds the sdk and what is wrong in a capsule's source", async () => {
  await using home = new Home();
  const { code, err } = await home.run("capsule", "new", "acme.greeter", "--dir", join(home.dir, "greeter"));
  assert.equal(code, 0, err);
  symlinkSync(join(ROOT, "node_modules"), join(home.dir, "node_modules"));
  writeFileSync(join(home.dir, "tsconfig.json"), jsonWith('"compilerOptions"'));
  const tsc = (): Promise<string> =>
    new Promise((done) =>
      execFile(
        process.execPath,
        [join(ROOT, "node_modules/typescript/bin/tsc")],
        { cwd: home.dir },
        (_, out) => done(out),
      ),
    );
  assert.equal(await tsc(), "");
  const main = join(home.dir, "greeter/src/main.ts");
  writeFileSync(main, readFileSync(main, "utf8").replace("turn.publish", "turn.publsh"));
  assert.match(await tsc(), /^greeter\/src\/main\.ts.*'publsh' does not exist on type 'Turn'/);
});

test("the topic of capsules that talk is one that a capsule of that name may define", async () => {
  await using home = new Home();
  const dir = join(home.dir, "orders");
  assert.equal((await home.run("capsule", "new", "acme.orders", "--dir", dir)).code, 0);
  const manifest = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8")) as object;
  const bus = JSON.parse(`{${jsonWith('"bus": { "publishes": ["acme.orders.placed.v1"]')}}`) as object;
  writeFileSync(join(dir, "manifest.json"), JSON.stringify({ ...manifest, ...bus }));
  writeFileSync(join(dir, "spec/topics/acme.orders.placed.v1.json"), jsonWith('"owner": "acme.orders"'));
  for (const step of ["build", "verify"]) {
    const { code, err } = await home.run("capsule", step, dir);
    assert.equal(code, 0, err);
  }
});
