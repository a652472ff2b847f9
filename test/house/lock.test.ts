/** A lock file made where some platforms' binaries cannot be seen leaves them out, and `npm ci` then refuses everywhere. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Locked {
  readonly optionalDependencies?: { readonly [name: string]: string };
  readonly version?: string;
  readonly optional?: boolean;
}

test("the lock file holds every optional dependency it names, for every platform", () => {
  const file = new URL("../../package-lock.json", import.meta.url);
  const { packages } = JSON.parse(readFileSync(file, "utf8")) as { packages: { [path: string]: Locked } };
  const missing: string[] = [];
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      const nested = `${path}/node_modules/${name}`;
      if (packages[nested] === undefined && packages[`node_modules/${name}`] === undefined)
        missing.push(name);
    }
  }
  assert.deepEqual(missing, []);
});
