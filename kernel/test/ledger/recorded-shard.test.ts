import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeContext } from "../../src/runtime/node/node-context.ts";
import { recordedShard } from "../../src/runtime/ledger/recorded-shard.ts";
import { manifestOf } from "../harness/node-harness.ts";

test("a shard that is none, one without records, and one the capsule no longer has are told apart", async () => {
  const lastSeqs: Readonly<Record<string, number>> = { "a.b/0": 7, "a.b/3": 2 };
  const ledger = { lastSeq: async (shard: string) => lastSeqs[shard] ?? 0 };
  const context = { parts: { node: "east", ledger } as unknown as NodeContext["parts"] };
  const capsule = { id: "a.b", manifest: manifestOf("a.b", { state: { owns: [], shards: 2 } }) };
  assert.equal(await recordedShard(context, capsule, 0), "a.b/0");
  await assert.rejects(recordedShard(context, capsule, 1), { code: "STATE_SHARD_EMPTY", message: /a\.b\/1/ });
  await assert.rejects(recordedShard(context, capsule, 2), {
    code: "STATE_SHARD_UNKNOWN",
    message: "capsule a.b has 2 shards, counted from 0, and 2 names none of them",
  });
  assert.equal(await recordedShard(context, capsule, 3), "a.b/3");
});
