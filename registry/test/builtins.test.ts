import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type BuiltinOptions,
  findCapsules,
  installBuiltins,
  LocalRegistry,
  openAuthority,
  verifyCapsule,
} from "@vnes/registry";
import { CORE, manifest, scratch, writeCapsule } from "./scratch.ts";

async function set(
  t: TestContext,
  names: readonly string[],
): Promise<BuiltinOptions & { readonly dir: string }> {
  const dir = scratch(t);
  for (const name of names) {
    const id = `vnes.${name.replace("/", ".")}`;
    writeCapsule(join(dir, "capsules", name), { ...CORE, id, capabilities: { provides: [id] } });
  }
  return {
    dir,
    capsulesDir: join(dir, "capsules"),
    workDir: join(dir, "work"),
    authority: await openAuthority(join(dir, "config")),
    registry: new LocalRegistry(join(dir, "registry")),
  };
}

const files = (dir: string) => readdirSync(dir, { recursive: true, encoding: "utf8" }).sort();

test("every built-in capsule is built, verified and installed, and the sources stay as they were", async (t) => {
  const options = await set(t, ["area/one", "area/two", "other/three"]);
  const before = files(options.capsulesDir);
  const result = await installBuiltins(options);
  assert.deepEqual(result.failed, []);
  assert.deepEqual(result.installed.map(({ id }) => id).sort(), [
    "vnes.area.one",
    "vnes.area.two",
    "vnes.other.three",
  ]);
  assert.deepEqual(files(options.capsulesDir), before);
  const { policy } = options.authority;
  for (const { image, origin } of result.installed) {
    await options.registry.readImage(image);
    const { verdict } = await verifyCapsule(origin, {
      trust: options.authority.trust(),
      policy,
      rebuild: true,
    });
    assert.equal(verdict.kind, "verified");
  }
});

test("the second time nothing is built, within 100 ms", async (t) => {
  const options = await set(t, ["area/one", "area/two", "other/three"]);
  await installBuiltins(options);
  const index = readFileSync(join(options.registry.dir, "index.json"), "utf8");
  const startedAt = performance.now();
  const result = await installBuiltins(options);
  const took = performance.now() - startedAt;
  assert.deepEqual(result, { installed: [], unchanged: ["area/one", "area/two", "other/three"], failed: [] });
  assert.equal(readFileSync(join(options.registry.dir, "index.json"), "utf8"), index);
  t.diagnostic(`${took.toFixed(1)} ms`);
});

test("a changed source is built again, alone; the same version is replaced", async (t) => {
  const options = await set(t, ["area/one", "area/two"]);
  await installBuiltins(options);
  const before = await options.registry.current("vnes.area.one");
  appendFileSync(join(options.capsulesDir, "area/one/src/step.ts"), "export const more = 1;\n");
  const result = await installBuiltins(options);
  assert.deepEqual(
    [result.installed.map(({ id }) => id), result.unchanged],
    [["vnes.area.one"], ["area/two"]],
  );
  assert.notEqual((await options.registry.current("vnes.area.one"))?.image, before?.image);
});

test("new keys, a registry that is gone and a lost book each lead to building again", async (t) => {
  const options = await set(t, ["area/one"]);
  const ids = async (change: Partial<BuiltinOptions>) =>
    (await installBuiltins({ ...options, ...change })).installed.map(({ id }) => id);
  await ids({});
  assert.deepEqual(await ids({ registry: new LocalRegistry(join(options.dir, "new")) }), ["vnes.area.one"]);
  assert.deepEqual(await ids({ authority: await openAuthority(join(options.dir, "other")) }), [
    "vnes.area.one",
  ]);
  rmSync(join(options.workDir, "built.json"));
  assert.deepEqual(await ids({}), ["vnes.area.one"]);
  assert.deepEqual(await ids({}), []);
});

test("one that cannot be built or is not verified is told, and the others are installed", async (t) => {
  const options = await set(t, ["area/good", "area/broken", "area/foreign", "area/odd"]);
  writeFileSync(join(options.capsulesDir, "area/broken/src/main.ts"), "let = ;");
  const foreign = manifest({ ...CORE, id: "org.example.foreign" });
  writeFileSync(join(options.capsulesDir, "area/foreign/manifest.json"), JSON.stringify(foreign));
  writeFileSync(join(options.capsulesDir, "area/odd/stray.txt"), "");
  const { installed, failed } = await installBuiltins(options);
  assert.deepEqual(
    installed.map(({ id }) => id),
    ["vnes.area.good"],
  );
  const told = failed.map(({ dir, error, reasons }) => [
    dir.split("/").at(-1),
    error?.code ?? reasons[0]?.code,
  ]);
  assert.deepEqual(told.map(([name]) => String(name)).sort(), ["broken", "foreign", "odd"]);
  assert.deepEqual(Object.fromEntries(told)["broken"], "BUILD_FAILED");
  assert.deepEqual(Object.fromEntries(told)["odd"], "IMAGE_ENTRY_UNKNOWN");
});

test("a newer version that the user installed is left alone", async (t) => {
  const options = await set(t, ["area/one"]);
  const newer = await set(t, []);
  writeCapsule(join(newer.capsulesDir, "area/one"), { ...CORE, id: "vnes.area.one", version: "0.2.0" });
  await installBuiltins({ ...newer, authority: options.authority, registry: options.registry });
  const result = await installBuiltins(options);
  assert.deepEqual(result, { installed: [], unchanged: ["area/one"], failed: [] });
  assert.equal((await options.registry.current("vnes.area.one"))?.version, "0.2.0");
});

test("two boots at once build once", async (t) => {
  const options = await set(t, ["area/one", "area/two"]);
  const both = await Promise.all([installBuiltins(options), installBuiltins(options)]);
  assert.deepEqual(
    both.map(({ installed }) => installed.length).sort((a, b) => a - b),
    [0, 2],
  );
  assert.ok(existsSync(join(options.workDir, "area-one", "impl/main.js")));
});

test("the examples that lie among the built-in capsules are none of them", () => {
  const found = findCapsules(fileURLToPath(new URL("../../capsules", import.meta.url)));
  assert.ok(found.length > 0);
  assert.deepEqual(
    found.filter(({ path }) => path.includes("/example/")),
    [],
  );
});
