/** A receipt that can be run again: from the file alone, from its first record or from a snapshot, and only as it was written. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { memorySigner } from "@vnes/driver-memory";
import {
  type CapsuleImage,
  isReplayable,
  NO_PLATFORM,
  type ReceiptReplayParts,
  replayReceipt,
  type Sandbox,
  type Signer,
  verifyExecutionReceipt,
} from "@vnes/kernel";
import { canonicalJson, type ExecutionReceipt, parseExecutionReceipt } from "@vnes/schemas";
import fc from "fast-check";
import { nodeVerifier } from "@vnes/registry";
import { policy } from "../../kernel/test/harness/node-harness.ts";
import { digest } from "../../kernel/test/harness/shard-harness.ts";
import { executionReceiptBytes, headBytes } from "../../kernel/src/receipts/signing.ts";
import { ask, bootLab, imageFrom, SOURCE, STEP } from "./replay-lab.ts";

const FLIPS = 200;
const REQUEST = { tool: "vnes test", toolchain: {}, environment: {}, replayable: true };

let sandbox: Sandbox;
const signer: Signer = memorySigner();
/** From the first record; with events as inputs; from a snapshot on. */
let whole: Uint8Array;
let mirror: Uint8Array;
let trimmed: Uint8Array;
let plain: Uint8Array;

before(async () => {
  sandbox = openHostSandbox(isolateExecutor);
  const image = await imageFrom(SOURCE);
  const lab = await bootLab(image, sandbox, { signer });
  await ask(lab, 3, 40);
  whole = await lab.node.exportReceipt("test.ledger", REQUEST);
  mirror = await lab.node.exportReceipt("test.mirror", REQUEST);
  plain = await lab.node.exportReceipt("test.ledger", { ...REQUEST, replayable: false });
  await lab.node[Symbol.asyncDispose]();
  const short = await bootLab(image, sandbox, {
    signer,
    snapshots: { minRecords: 12, minShare: 0 },
    policy: { ...policy, retention: { history_records: 20 } },
  });
  await ask(short, 9, 150);
  trimmed = await short.node.exportReceipt("test.ledger", REQUEST);
  await short.node[Symbol.asyncDispose]();
});
after(() => sandbox[Symbol.asyncDispose]());

function parts(): ReceiptReplayParts {
  return { sandbox, digest, policy, platform: NO_PLATFORM, unconfinedDev: true };
}

function verified(file: Uint8Array): ExecutionReceipt {
  const verdict = verifyExecutionReceipt(file, { digest, verifier: nodeVerifier, key: signer.publicKey });
  assert.ok(verdict.ok, JSON.stringify(verdict));
  return verdict.receipt;
}

test("what a receipt holds comes out the same without the node, events and snapshot included", async () => {
  for (const file of [whole, mirror, trimmed]) {
    const receipt = verified(file);
    assert.ok(isReplayable(receipt));
    const report = await replayReceipt(receipt, parts());
    assert.deepEqual([report.difference, report.diverged], [null, false]);
    assert.ok(report.turns > 10, JSON.stringify(report));
    assert.equal(report.recordedHash, report.replayedHash);
  }
  const { range, snapshot } = verified(trimmed);
  assert.ok(range.from > 1 && snapshot !== undefined && snapshot.chunks.length > 0);
});

test("a part of it runs, and what is not in it is refused by name", async () => {
  const receipt = verified(trimmed);
  const { from, to } = receipt.range;
  assert.equal((await replayReceipt(receipt, parts(), { from: from + 5, to: to - 1 })).difference, null);
  await assert.rejects(replayReceipt(receipt, parts(), { from: from - 1 }), { code: "REPLAY_RANGE_EMPTY" });
  const bare = verified(plain);
  assert.equal(isReplayable(bare), false);
  await assert.rejects(replayReceipt(bare, parts()), { code: "REPLAY_RECEIPT_PLAIN" });
});

test("another bundle names the first turn that differs, and is no fault of the capsule", async () => {
  const other: CapsuleImage = await imageFrom(SOURCE.replace(STEP, "const STEP = 4;"));
  const report = await replayReceipt(verified(whole), parts(), { against: other });
  assert.match(report.difference?.what ?? "", /^write n\//);
  assert.equal(report.diverged, false);
});

test("where no wall can be put up nothing of a file runs unless somebody says so", async () => {
  const careful = { ...parts(), unconfinedDev: false };
  await assert.rejects(replayReceipt(verified(whole), careful), { code: "CAPSULE_ZONE_UNCONFINED" });
});

test(`${FLIPS} changed bytes: none is run`, () => {
  fc.assert(
    fc.property(
      fc.constantFrom("whole", "trimmed"),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (which, at, by) => {
        const bytes = Uint8Array.from(which === "whole" ? whole : trimmed);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] as number) ^ by;
        const verdict = verifyExecutionReceipt(bytes, { digest, verifier: nodeVerifier });
        assert.ok(!verdict.ok, `byte ${place} of ${which} changed by ${by}`);
      },
    ),
    { numRuns: FLIPS },
  );
});

/** By somebody with a key of their own. */
async function resigned(
  file: Uint8Array,
  change: (receipt: ExecutionReceipt) => object,
): Promise<string | undefined> {
  const parsed = parseExecutionReceipt(file);
  assert.ok(parsed.ok);
  const by = memorySigner();
  const other = { ...parsed.value, ...change(parsed.value), public_key: by.publicKey } as ExecutionReceipt;
  const head = { ...other.head, key_id: by.keyId, value: await by.sign(headBytes(other.head)) };
  const unsigned = { ...other, head };
  const signature = { key_id: by.keyId, value: await by.sign(executionReceiptBytes(unsigned)) };
  const bytes = Buffer.concat([canonicalJson({ ...unsigned, signature }), Buffer.from("\n")]);
  const verdict = verifyExecutionReceipt(bytes, { digest, verifier: nodeVerifier });
  return verdict.ok ? undefined : `${verdict.refusals[0]?.code} ${verdict.refusals[0]?.pointer}`;
}

test("another program or another state is refused at its place, whoever signed it", async () => {
  assert.equal(await resigned(whole, () => ({})), undefined);
  const withFile = (bytes: string) => {
    return ({ builds: [build] }: ExecutionReceipt): object => {
      const files = (build?.files ?? []).map((file, index) => (index === 0 ? { ...file, bytes } : file));
      return { builds: [{ ...build, files }] };
    };
  };
  for (const bytes of ["AAAA", "no base64", ""])
    assert.equal(
      await resigned(whole, withFile(bytes)),
      "EXECUTION_RECEIPT_BUILD_WRONG /builds/0/files/0/bytes",
    );
  const chunks = (change: (all: readonly { name: string; bytes: string }[]) => object) => {
    return ({ snapshot }: ExecutionReceipt): object => ({
      snapshot: { ...snapshot, chunks: change(snapshot?.chunks ?? []) },
    });
  };
  assert.equal(
    await resigned(
      trimmed,
      chunks(([first, ...rest]) => [{ ...first, bytes: "[]" }, ...rest]),
    ),
    "EXECUTION_RECEIPT_SNAPSHOT_WRONG /snapshot/chunks/0",
  );
  assert.equal(
    await resigned(
      trimmed,
      chunks((all) => all.slice(0, -1)),
    ),
    "EXECUTION_RECEIPT_SNAPSHOT_WRONG /snapshot/chunks",
  );
  assert.equal(
    await resigned(trimmed, ({ snapshot, range }) => ({ snapshot: { ...snapshot, seq: range.to + 1 } })),
    "EXECUTION_RECEIPT_SNAPSHOT_WRONG /snapshot/seq",
  );
});
