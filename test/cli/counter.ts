/** A capsule that counts, for tests of what a node has kept of it. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Home } from "./vnes.ts";

/** Counts by a step; `forgetful`: adds what it remembers outside of its keys, which no replay from the middle can know. */
export const source = (step: number, careless: boolean): string => `
import { capsule } from "@vnes/sdk";
let seen = 0;
export default capsule({
  calls: {
    "acme.counter.add": (turn) => {
      seen += 1;
      const count = ((turn.keys.get("count") as number | undefined) ?? 0) + ${step} ${careless ? "+ seen" : ""};
      turn.keys.set("count", count);
      return count;
    },
  },
});
`;

/** The capsule `acme.counter`, built; resolves with its directory. */
export async function counter(home: Home, name: string, code: string): Promise<string> {
  const dir = join(home.dir, name);
  const { code: exit, err } = await home.run("capsule", "new", "acme.counter", "--dir", dir);
  assert.equal(exit, 0, err);
  writeFileSync(join(dir, "src/main.ts"), code);
  const manifest = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8")) as {
    state?: unknown;
    capabilities: { determinism_tier?: string; provides: string[] };
  };
  manifest.state = { owns: ["count"] };
  manifest.capabilities = { determinism_tier: "D0_bit_exact", provides: ["acme.counter"] };
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
  const schema = { $defs: { "acme.counter.add.input": { type: "object" } } };
  writeFileSync(join(dir, "spec/schema.json"), JSON.stringify(schema));
  const built = await home.run("capsule", "build", dir);
  assert.equal(built.code, 0, built.err);
  return dir;
}

/** What the same capsule takes when it subscribes. */
export const ASKED = "acme.counter.asked.v1";

/** The capsule `acme.counter`, built, with the topic `ASKED`, which it owns and subscribes to, without retries unless told. */
export async function subscriber(home: Home, code: string, retries = 0): Promise<string> {
  const dir = await counter(home, "counter", code);
  const file = join(dir, "manifest.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { bus: unknown };
  manifest.bus = { publishes: [], subscribes: [{ topic: ASKED, retries }] };
  writeFileSync(file, JSON.stringify(manifest));
  mkdirSync(join(dir, "spec/topics"), { recursive: true });
  const definition = {
    schema_version: "v1",
    topic: ASKED,
    owner: "acme.counter",
    description: "What the next turn is to do",
    schemas: [{ type: "object" }],
    partition: { count: 1 },
    quality: "exactly_once",
    retention: {},
    flow: { policy: "block", buffer: 64 },
  };
  writeFileSync(join(dir, `spec/topics/${ASKED}.json`), JSON.stringify(definition));
  const built = await home.run("capsule", "build", dir);
  assert.equal(built.code, 0, built.err);
  return dir;
}
