/**
 * Each hostile capsule in a host of its own, beside a healthy one in another: the harm ends in a named code or in the death of
 * its own host, this process stays, and the healthy capsule is served all the while. `npm run hostile` has every language and zone.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noWall } from "@vnes/driver-host";
import { JAVASCRIPT } from "./attacks/javascript.ts";
import { UNSTOPPABLE } from "./attacks/unstoppable.ts";
import { WASM } from "./attacks/wasm.ts";
import { Neighbour } from "./neighbour.ts";
import { openOutside, type Outside } from "./outside.ts";
import { runAttack } from "./run-attack.ts";
import { openSandboxes } from "../../cli/src/node/sandboxes.ts";

const PAUSE_MS = 5;
/** What needs a wall to be tried is left to `npm run hostile`, and so is what takes seconds because only its host's silence ends it. */
const ATTACKS = [...JAVASCRIPT, ...WASM].filter(({ name }) => !UNSTOPPABLE.some(([one]) => one === name));
const sandbox = openSandboxes(() => noWall());
let healthy: Neighbour;
let outside: Outside;

before(async () => {
  outside = await openOutside();
  healthy = await Neighbour.open(sandbox, PAUSE_MS);
});

after(async () => {
  await healthy.stop();
  await sandbox[Symbol.asyncDispose]();
  await outside.close();
});

for (const attack of ATTACKS) {
  test(`a capsule in ${attack.language} that ${attack.name} ends in ${attack.ends.join(" or ")}`, async () => {
    const { problems } = await runAttack(attack, {
      sandbox,
      zone: "system",
      confinement: undefined,
      outside,
    });
    assert.deepEqual(problems, []);
    await healthy.servedAgain();
    assert.deepEqual(healthy.failed, []);
  });
}

test("nothing a capsule does to its prototypes reaches this process", () => {
  for (const name of ["effects", "kind", "polluted", "toJSON", "admin"])
    assert.equal(name in {}, false, name);
  assert.equal(JSON.stringify([1].map((n) => n)), "[1]");
});

test("the healthy capsule was served by one host from beginning to end", async () => {
  await healthy.stop();
  assert.deepEqual(healthy.failed, []);
  assert.ok(healthy.served >= ATTACKS.length);
});
