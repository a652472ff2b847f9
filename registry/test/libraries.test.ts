/** What a capsule may import besides its own files is what its builder says, bundled in and named in the receipt. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  buildCapsule,
  installBuiltins,
  type Libraries,
  librariesOf,
  LocalRegistry,
  openAuthority,
  sha256Of,
  verifyCapsule,
} from "@vnes/registry";
import { CORE, scratch, write, writeCapsule } from "./scratch.ts";

const LIBRARY = "node_modules/@example/words/src/index.ts";

/** A program's directory of capsules, whose package depends on a library of two files. */
function program(t: TestContext): {
  readonly dir: string;
  readonly capsules: string;
  readonly libraries: Libraries;
} {
  const dir = scratch(t);
  write(dir, {
    "capsules/package.json":
      '{ "name": "capsules", "dependencies": { "@vnes/sdk": "*", "@example/words": "*" } }',
    "node_modules/@example/words/package.json":
      '{ "name": "@example/words", "exports": { ".": { "source": "./src/index.ts" }, "./inner": { "source": "./src/word.ts" } } }',
    [LIBRARY]: 'export { word } from "./word.ts";\n',
    "node_modules/@example/words/src/word.ts": 'export const word: string = "shared";\n',
  });
  const capsules = join(dir, "capsules");
  return { dir, capsules, libraries: librariesOf(capsules) };
}

const uses = (name: string) => ({
  "src/step.ts": `import { word } from "${name}"; export const step = () => word;\n`,
});

test("a library of the builder is bundled in, each file in the receipt with its hash, and building again gives the same bytes", async (t) => {
  const { dir, capsules, libraries } = program(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(capsules, "area/one"), {}, uses("@example/words"));
  const { receipt } = await buildCapsule(capsule, { authority, libraries });
  const { bundled } = receipt.toolchain as { bundled: { [name: string]: string } };
  assert.equal(bundled["@example/words/src/index.ts"], sha256Of(readFileSync(join(dir, LIBRARY))));
  assert.ok("@example/words/src/word.ts" in bundled && "@vnes/sdk/src/driver.ts" in bundled);
  assert.match(readFileSync(join(capsule, "impl/main.js"), "utf8"), /"shared"/);
  const options = { trust: authority.trust(), policy: authority.policy, rebuild: true };
  assert.equal((await verifyCapsule(capsule, { ...options, libraries })).verdict.kind, "verified");
  // A library that changed since is a difference like any other.
  appendFileSync(join(dir, "node_modules/@example/words/src/word.ts"), "console.log(1);\n");
  const { verdict } = await verifyCapsule(capsule, { ...options, libraries });
  assert.deepEqual(verdict.kind === "quarantined" && verdict.reasons.map(({ code }) => code), [
    "REBUILD_DIFFERS",
  ]);
});

test("a library is imported by its name only, and by nobody whose builder does not name it", async (t) => {
  const { dir, capsules, libraries } = program(t);
  const authority = await openAuthority(join(dir, "config"));
  const refused = { code: "BUILD_IMPORT_FORBIDDEN" };
  const capsule = writeCapsule(join(capsules, "area/one"), {}, uses("@example/words"));
  await assert.rejects(buildCapsule(capsule, { authority }), refused);
  for (const name of ["@example/words/inner", "@example/words/src/word.ts", "@example/other", "esbuild"]) {
    const other = writeCapsule(join(capsules, "area/two"), {}, uses(name));
    await assert.rejects(buildCapsule(other, { authority, libraries }), refused, name);
  }
});

test("a library in the capsule's own directory is not the one that is bundled in", async (t) => {
  const { dir, capsules, libraries } = program(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(capsules, "area/one"), {}, uses("@example/words"));
  write(join(capsule, "node_modules/@example/words"), {
    "package.json": '{ "name": "@example/words", "exports": { ".": { "source": "./index.ts" } } }',
    "index.ts": 'export const word = "smuggled";\n',
  });
  await buildCapsule(capsule, { authority, libraries });
  assert.doesNotMatch(readFileSync(join(capsule, "impl/main.js"), "utf8"), /smuggled/);
});

test("a built-in whose library changed is built again; one that does not use it is left alone", async (t) => {
  const { dir, capsules, libraries } = program(t);
  const core = (id: string) => ({ ...CORE, id, capabilities: { provides: [id] } });
  writeCapsule(join(capsules, "area/one"), core("vnes.area.one"), uses("@example/words"));
  writeCapsule(join(capsules, "area/two"), core("vnes.area.two"));
  const options = {
    capsulesDir: capsules,
    workDir: join(dir, "work"),
    authority: await openAuthority(join(dir, "config")),
    registry: new LocalRegistry(join(dir, "registry")),
    libraries,
  };
  assert.deepEqual((await installBuiltins(options)).failed, []);
  appendFileSync(join(dir, LIBRARY), "export const more = 1;\n");
  const { installed, unchanged } = await installBuiltins(options);
  assert.deepEqual([installed.map(({ id }) => id), unchanged], [["vnes.area.one"], ["area/two"]]);
});
