/** A home of `vnes` in which the capsules of the crash run are built, signed and installed, as a user does: a node of it counts calls. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "@vnes/schemas";
import { type Booted, Home } from "../cli/vnes.ts";
import { Control } from "../crash/control.ts";

const CAPSULES = fileURLToPath(new URL("../crash/capsules/", import.meta.url));
const NAMES = ["intake", "tally"];
const RUN = ["vnes.core.observability", "crash.tally", "crash.intake"];

/** `config`: of its node, beside what to run. */
export async function crashHome(config: JsonObject): Promise<Home> {
  const home = new Home();
  const all = { schema_version: "v1", capsules: { run: RUN }, ...config };
  mkdirSync(join(home.dir, "config"), { recursive: true });
  writeFileSync(join(home.dir, "config", "config.json"), JSON.stringify(all));
  for (const name of NAMES) {
    const directory = join(home.dir, name);
    cpSync(join(CAPSULES, name), directory, { recursive: true });
    for (const command of ["build", "install"]) {
      const { code, err } = await home.run("capsule", command, directory);
      assert.equal(code, 0, err);
    }
  }
  return home;
}

/** Where they lie. */
export function crashCapsules(home: Home): readonly string[] {
  return NAMES.map((name) => join(home.dir, name));
}

export async function bootCrash(home: Home, ...flags: string[]): Promise<Booted> {
  return await home.boot("--unconfined-dev", "--log-level", "error", ...flags);
}

export async function controlOf({ ready }: Booted): Promise<Control> {
  const control = await Control.connect(ready.controlSocket);
  assert.ok(control !== undefined);
  return control;
}
