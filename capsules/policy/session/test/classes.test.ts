/** The example of a policy capsule: what it takes as its configuration, and what a class gives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/sdk";
import { parseConfig } from "../classes/src/classes.ts";

const PEER = `${"A".repeat(43)}=`;

test("a configuration that is not understood is refused with the place", () => {
  const wrong: [Json, RegExp][] = [
    [{ class: {} }, /at \/class: unknown field/],
    [{ classes: [] }, /at \/classes:/],
    [{ classes: { "a b": {} } }, /at \/classes\/a b:/],
    [{ classes: { phone: { transportLossTtlMs: 1 } } }, /at \/classes\/phone\/transportLossTtlMs: .* 100 to/],
    [{ classes: { phone: { patience: 1 } } }, /at \/classes\/phone\/patience: unknown field/],
    [{ classes: { phone: {} }, members: { short: "phone" } }, /at \/members\/short:/],
    [{ classes: { phone: {} }, members: { [PEER]: "tablet" } }, /the name of a class/],
    [{ members: { [PEER]: "toString" } }, /the name of a class/],
  ];
  for (const [config, place] of wrong) assert.throws(() => parseConfig(config), place);
});

test("a class keeps what it names and nothing else; no configuration is no class", () => {
  const config = { classes: { phone: { transportLossTtlMs: 300_000 } }, members: { [PEER]: "phone" } };
  assert.deepEqual(parseConfig(config), config);
  assert.deepEqual(parseConfig(null), { classes: {}, members: {} });
});
