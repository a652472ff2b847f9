/** A shard whose first records are gone: what is left is run again, checked and exported from its oldest snapshot on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { MemoryLedgerStore, memorySigner } from "@vnes/driver-memory";
import {
  type LedgerStore,
  pruneImages,
  replayShard,
  type Sandbox,
  verifyExecutionReceipt,
  verifyLedger,
} from "@vnes/kernel";
import { policy, verifier } from "../../kernel/test/harness/node-harness.ts";
import { digest } from "../../kernel/test/harness/shard-harness.ts";
import { ask, bootLab, imageFrom, type Lab, replayParts, SHARD, SOURCE, STEP } from "./replay-lab.ts";

const REQUEST = { tool: "vnes test", toolchain: {}, environment: {} };

let sandbox: Sandbox;
let lab: Lab;
let ledger: LedgerStore;
let receipt: Uint8Array;

before(async () => {
  sandbox = openHostSandbox(isolateExecutor);
  lab = await bootLab(await imageFrom(SOURCE), sandbox, {
    signer: memorySigner(),
    snapshots: { minRecords: 12, minShare: 0 },
    policy: { ...policy, retention: { history_records: 20 } },
  });
  await ask(lab, 9, 150);
  receipt = await lab.node.exportReceipt("test.ledger", REQUEST);
  await lab.node[Symbol.asyncDispose]();
  ledger = new MemoryLedgerStore(lab.memory);
});
after(() => sandbox[Symbol.asyncDispose]());

test("a replay begins behind the oldest snapshot, and refuses what is gone by name", async () => {
  const first = await ledger.firstSeq(SHARD);
  assert.ok(first > 1, `the shard begins at ${first}`);
  const parts = replayParts({ ledger, archive: lab.archive, last: 0 }, sandbox);
  const report = await replayShard(parts);
  assert.equal(report.difference, null);
  assert.ok(report.from >= first && report.turns > 0, JSON.stringify(report));
  await assert.rejects(replayShard(parts, { from: 2 }), { code: "STATE_COMPACTED" });
});

test("a ledger check follows the chain from the snapshot, and finds a chunk that changed", async () => {
  const verdicts = await verifyLedger(ledger, digest);
  assert.deepEqual(
    verdicts.flatMap(({ damage }) => damage ?? []),
    [],
  );
  const verdict = verdicts.find(({ shard }) => shard === SHARD);
  assert.ok(verdict !== undefined && verdict.first > 1 && verdict.snapshots > 0, JSON.stringify(verdict));

  const copy = lab.memory.copy();
  const chunks = copy.chunks.get(SHARD);
  const [[name, bytes] = ["", new Uint8Array()]] = [...(chunks ?? [])];
  const changed = Uint8Array.from(bytes);
  changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
  chunks?.set(name, changed);
  await using damaged = new MemoryLedgerStore(copy);
  const [found] = await verifyLedger(damaged, digest, { shards: [SHARD] });
  assert.equal(found?.damage?.code, "SNAPSHOT_CHUNK_DAMAGED");
});

test("a first record that does not follow from the snapshot is found", async () => {
  const copy = lab.memory.copy();
  const records = copy.shards.get(SHARD) ?? [];
  const first = records[0];
  assert.ok(first);
  const text = new TextDecoder()
    .decode(first.bytes)
    .replace(/"at":(\d+)/, (_, at: string) => `"at":${Number(at) - 1}`);
  copy.shards.set(SHARD, [{ ...first, bytes: new TextEncoder().encode(text) }, ...records.slice(1)]);
  await using forged = new MemoryLedgerStore(copy);
  const [found] = await verifyLedger(forged, digest, { shards: [SHARD] });
  assert.deepEqual([found?.damage?.code, found?.damage?.seq], ["LEDGER_HASH_WRONG", first.seq]);
});

test("a receipt of what is left verifies", () => {
  const verdict = verifyExecutionReceipt(receipt, { digest, verifier });
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.ok(verdict.receipt.range.from > 1 && verdict.receipt.image !== null);
});

test("an image goes only when neither a record, nor a snapshot, nor what runs names it", async () => {
  const parts = replayParts({ ledger, archive: lab.archive, last: 0 }, sandbox);
  const old = await imageFrom(SOURCE.replace(STEP, "const STEP = 5;"));
  const running = await imageFrom(SOURCE.replace(STEP, "const STEP = 6;"));
  for (const image of [old, running]) await lab.archive.put(image);
  const before = await lab.archive.list();
  assert.deepEqual(await pruneImages(lab.archive, ledger, new Set([running.hash])), [old.hash]);
  assert.deepEqual(
    await lab.archive.list(),
    before.filter((hash) => hash !== old.hash),
  );
  assert.equal((await replayShard(parts)).difference, null);
});
