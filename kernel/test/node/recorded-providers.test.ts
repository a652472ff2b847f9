/** What a node writes down of who provides a capability, so that a later boot knows whose calls it cannot read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Capabilities } from "../../src/bus/capabilities.ts";
import {
  noteProvider,
  type ProviderFact,
  recordProviders,
  type RecordedProviders,
} from "../../src/runtime/boot/recorded-providers.ts";
import type { Fact } from "../../src/runtime/node/kernel-shard.ts";

type Records = ProviderFact["records"];

/** A boot for each provider in turn, a second apart; what each one wrote down. */
async function boots(...providers: readonly (readonly [capsule: string, Records])[]): Promise<unknown[]> {
  let recorded: RecordedProviders = new Map();
  const said: unknown[] = [];
  for (const [index, [provider, records]] of providers.entries()) {
    const facts: Fact[] = [];
    const kernel = { record: async (fact: Fact) => void facts.push(fact) };
    const capability = { name: "c", provider, methods: new Map(), others: [] };
    const capabilities: Capabilities = new Map([["c", capability]]);
    const now = (index + 1) * 1_000;
    const known = await recordProviders(kernel, now, recorded, capabilities, () => records);
    const kept = new Map(recorded);
    for (const fact of facts) noteProvider(kept, fact as never);
    assert.deepEqual(kept, known);
    recorded = kept;
    said.push(facts.map((fact) => fact.type === "provider" && [fact.capsule, fact.records, fact.former]));
  }
  return said;
}

test("one whose records are here leaves nothing to write down", async () => {
  assert.deepEqual(await boots(["a", "here"], ["b", "here"], ["a", "here"]), [[], [], []]);
});

test("a driver is written down once, and who comes after it has it as the former one for good", async () => {
  const former = { capsule: "d", records: "none", until: 3_000 };
  assert.deepEqual(await boots(["d", "none"], ["d", "none"], ["a", "here"], ["a", "here"], ["b", "here"]), [
    [["d", "none", null]],
    [],
    [["a", "here", former]],
    [],
    [["b", "here", former]],
  ]);
});

test("one that takes its own place is its former one when it was a driver, and not when its shards moved", async () => {
  assert.deepEqual(await boots(["a", "elsewhere"], ["a", "here"]), [
    [["a", "elsewhere", null]],
    [["a", "here", null]],
  ]);
  assert.deepEqual(await boots(["a", "none"], ["a", "here"]), [
    [["a", "none", null]],
    [["a", "here", { capsule: "a", records: "none", until: 2_000 }]],
  ]);
});
