/** Execution receipts of a real node: whole they verify without it, changed anywhere they do not. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { memorySigner } from "@vnes/driver-memory";
import {
  MAX_RECEIPT_BYTES,
  type ReceiptVerdict,
  type Sandbox,
  type Signer,
  verifyExecutionReceipt,
} from "@vnes/kernel";
import {
  canonicalJson,
  type ExecutionReceipt,
  isVnesError,
  parseExecutionReceipt,
  parseReceipt,
} from "@vnes/schemas";
import fc from "fast-check";
import { nodeVerifier } from "@vnes/registry";
import { trust } from "../../kernel/test/harness/node-harness.ts";
import { digest } from "../../kernel/test/harness/shard-harness.ts";
import { executionReceiptBytes, headBytes } from "../../kernel/src/receipts/signing.ts";
import { ask, bootLab, imageFrom, type Lab, SOURCE } from "./replay-lab.ts";

const FLIPS = 400;
const PATIENCE_MS = 10_000;
const REQUEST = { tool: "vnes test", toolchain: { node: "v24" }, environment: { platform: "linux" } };

let sandbox: Sandbox;
let lab: Lab;
const signer: Signer = memorySigner();
let file: Uint8Array;
let mirror: Uint8Array;

before(async () => {
  sandbox = openHostSandbox(isolateExecutor);
  lab = await bootLab(await imageFrom(SOURCE), sandbox, { signer });
  await ask(lab, 3, 25);
  file = await lab.node.exportReceipt("test.ledger", REQUEST);
  mirror = await lab.node.exportReceipt("test.mirror", REQUEST);
});
after(async () => {
  await lab.node[Symbol.asyncDispose]();
  await sandbox[Symbol.asyncDispose]();
});

function verify(
  bytes: Uint8Array,
  more: { readonly key?: string; readonly trust?: typeof trust } = {},
): ReceiptVerdict {
  return verifyExecutionReceipt(bytes, { digest, verifier: nodeVerifier, ...more });
}

function codesOf(verdict: ReceiptVerdict): readonly string[] {
  return verdict.ok
    ? []
    : verdict.refusals.map(({ code, pointer }) => `${code.replace("EXECUTION_RECEIPT_", "")} ${pointer}`);
}

function parse(bytes: Uint8Array): ExecutionReceipt {
  const parsed = parseExecutionReceipt(bytes);
  assert.ok(parsed.ok);
  return parsed.value;
}

/** A receipt with something else in it, in canonical form, as a forger without the key would write it. */
function forged(bytes: Uint8Array, change: (receipt: ExecutionReceipt) => object): Uint8Array {
  const receipt = parse(bytes);
  return Buffer.concat([canonicalJson({ ...receipt, ...change(receipt) }), Buffer.from("\n")]);
}

/** The same by somebody with a key of their own. */
async function resigned(
  bytes: Uint8Array,
  by: Signer,
  change: (receipt: ExecutionReceipt) => object,
): Promise<Uint8Array> {
  const other = { ...parse(bytes), ...change(parse(bytes)), public_key: by.publicKey };
  const head = { ...other.head, key_id: by.keyId, value: await by.sign(headBytes(other.head)) };
  const unsigned = { ...other, head };
  const signature = { key_id: by.keyId, value: await by.sign(executionReceiptBytes(unsigned)) };
  return Buffer.concat([canonicalJson({ ...unsigned, signature }), Buffer.from("\n")]);
}

test("a receipt verifies with nothing but the file, with the node's key, and with the builders' trust", () => {
  for (const one of [file, mirror]) {
    assert.deepEqual(codesOf(verify(one)), []);
    assert.deepEqual(codesOf(verify(one, { key: signer.publicKey, trust })), []);
  }
  const receipt = parse(file);
  assert.equal(receipt.capsule.id, "test.ledger");
  assert.equal(receipt.determinism_tier, "D0_bit_exact");
  assert.equal(receipt.range.to, receipt.head.seq);
  const verdict = verify(mirror);
  assert.ok(verdict.ok && verdict.turns > 5 && verdict.receipt.events.length > 5);
});

test("a receipt has every field of the published build receipt, in its form", () => {
  const { version, timestamp, input_hash, output_hash, transformations, signature } = parse(file);
  const filler = {
    capsule: { id: "a", version: "1.0.0" },
    determinism_tier: "D0_bit_exact",
    files: {},
    toolchain: {},
    environment: {},
    signatures: [],
  };
  const parts = { manifest: input_hash, spec: input_hash, src: input_hash, impl: input_hash };
  const published = {
    version,
    timestamp,
    input_hash,
    output_hash,
    transformations,
    signature,
    parts,
    ...filler,
  };
  const parsed = parseReceipt(canonicalJson(published));
  assert.deepEqual(parsed.ok ? [] : parsed.problems, []);
});

test("a range in the middle begins at an anchor and names the image that ran before it", async () => {
  const part = await lab.node.exportReceipt("test.ledger", { ...REQUEST, from: 7, to: 12 });
  assert.deepEqual(codesOf(verify(part, { key: signer.publicKey })), []);
  const receipt = parse(part);
  assert.deepEqual(receipt.range, { from: 7, to: 12 });
  assert.equal(receipt.anchor, parse(file).records[5]?.hash);
  assert.equal(receipt.image, parse(file).builds[0]?.image);
});

test(`${FLIPS} changed bytes anywhere in the file: each is refused with a code and a place`, () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(file.length + mirror.length),
      fc.integer({ min: 1, max: 255 }),
      (which, at, by) => {
        const bytes = Uint8Array.from(which ? file : mirror);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] as number) ^ by;
        const verdict = verify(bytes);
        assert.ok(!verdict.ok, `byte ${place} of ${which ? "the ledger" : "the mirror"} changed by ${by}`);
        const [first] = verdict.refusals;
        assert.match(first?.code ?? "", /^EXECUTION_RECEIPT_/);
        assert.match(first?.pointer ?? "", /^\//);
      },
    ),
    { numRuns: FLIPS },
  );
});

test("bytes before, behind or missing are refused", () => {
  const text = Buffer.from(file);
  for (const bytes of [
    Buffer.concat([text, Buffer.from("\n")]),
    text.subarray(0, -1),
    Buffer.concat([Buffer.from(" "), text]),
    Buffer.alloc(0),
  ])
    assert.match(codesOf(verify(bytes))[0] ?? "accepted", /^UNREADABLE/);
});

test("what a forger with a key of their own changes is refused at its place, or is told by the key alone", async () => {
  const stranger = memorySigner();
  const first = async (
    change: (receipt: ExecutionReceipt) => object,
    of = file,
  ): Promise<string | undefined> => codesOf(verify(await resigned(of, stranger, change)))[0];
  assert.equal(
    await first((one) => ({ records: one.records.toSpliced(4, 1) })),
    "CHAIN_WRONG /records/4/seq",
  );
  assert.equal(
    await first(({ records }) => ({
      records: records.with(6, {
        ...(records[6] as (typeof records)[0]),
        bytes: (records[6] as (typeof records)[0]).bytes.replace("test", "best"),
      }),
    })),
    "CHAIN_WRONG /records/6",
  );
  assert.equal(await first(({ records }) => ({ records: records.slice(0, -1) })), "CHAIN_WRONG /range/to");
  assert.equal(
    await first(() => ({ events: [] }), mirror),
    `INPUT_WRONG /records/${parse(mirror).records.findIndex(({ bytes }) => bytes.includes('"from":"topic"'))}`,
  );
  assert.equal(
    await first(
      ({ events }) => ({ events: events.with(0, { ...(events[0] as (typeof events)[0]), bytes: "{}" }) }),
      mirror,
    ),
    "INPUT_WRONG /events/0",
  );
  assert.equal(await first(({ input_hash }) => ({ output_hash: input_hash })), "HASH_WRONG /output_hash");
  assert.equal(await first(() => ({ builds: [] })), "BUILD_WRONG /builds");
  assert.equal(
    await first(({ builds: [build] }) => ({
      builds: [{ ...build, receipt: build?.receipt.replace("1.0.0", "2.0.0") }],
    })),
    "BUILD_WRONG /builds/0/receipt",
  );
  assert.equal(
    await first(({ builds: [build] }) => ({
      builds: [{ ...build, files: build?.files.map((one) => ({ ...one, executable: true })) }],
    })),
    "BUILD_WRONG /builds/0/files",
  );
  assert.equal(
    await first(() => ({ determinism_tier: "D1_numerically_stable" })),
    "BUILD_WRONG /determinism_tier",
  );
  assert.equal(
    await first(() => ({ capsule: { id: "test.ledger", version: "9.0.0" } })),
    "BUILD_WRONG /capsule",
  );
  assert.equal(await first(() => ({ node: "elsewhere" })), "HEAD_WRONG /head");
  // Everything in order, by a key that is not the node's: only whoever knows the node's key can tell.
  const copy = await resigned(file, stranger, () => ({}));
  assert.deepEqual(codesOf(verify(copy)), []);
  assert.deepEqual(codesOf(verify(copy, { key: signer.publicKey })), ["KEY_OTHER /public_key"]);
  const unsigned = forged(file, () => ({ timestamp: "2001-01-01T00:00:00.000Z" }));
  assert.deepEqual(codesOf(verify(unsigned)), ["SIGNATURE_WRONG /signature"]);
});

test("builds that the trust document does not vouch for are refused with its reason", () => {
  const refused = codesOf(verify(file, { trust: { ...trust, keys: [] } }));
  assert.ok(refused.length > 0 && refused.every((code) => code === "BUILD_UNTRUSTED /builds/0/receipt"));
});

test("a range that is not there, a node without a key, and more than a file may hold are named", async () => {
  const codeOf = async (run: Promise<unknown>): Promise<string> => {
    const error = await run.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    return isVnesError(error) ? error.code : String(error);
  };
  const { node } = lab;
  assert.equal(
    await codeOf(node.exportReceipt("test.ledger", { ...REQUEST, from: 900 })),
    "EXECUTION_RECEIPT_RANGE_EMPTY",
  );
  assert.equal(await codeOf(node.exportReceipt("test.nobody", REQUEST)), "CAPSULE_UNKNOWN");
  const keyless = await bootLab(await imageFrom(SOURCE), sandbox);
  assert.equal(
    await codeOf(keyless.node.exportReceipt("test.ledger", REQUEST)),
    "EXECUTION_RECEIPT_NO_SIGNER",
  );
  await keyless.node[Symbol.asyncDispose]();
  assert.ok(MAX_RECEIPT_BYTES > file.length);
});

test("heads are signed when capsules come up, when a shard has moved for a minute, and not when nothing happened", async () => {
  const own = await bootLab(await imageFrom(SOURCE), sandbox, { signer });
  const { node, clock, settle, memory } = own;
  const heads = (): readonly { readonly shard: string; readonly seq: number }[] =>
    [...(memory.shards.get("kernel/test") ?? [])].flatMap(({ bytes }) => {
      const { fact } = JSON.parse(new TextDecoder().decode(bytes)) as {
        fact: { type: string; heads?: { shard: string; seq: number }[] };
      };
      return fact.type === "heads" ? (fact.heads ?? []) : [];
    });
  /** Signing goes on behind the node's back. */
  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    for (const giveUpAt = Date.now() + PATIENCE_MS; !isSo(); ) {
      assert.ok(Date.now() < giveUpAt, `${what}: ${JSON.stringify(heads())}`);
      await settle();
    }
  };
  const has = (shard: string, from = 0): boolean =>
    heads()
      .slice(from)
      .some((head) => head.shard === shard);
  await until("at boot", () =>
    ["kernel/test", "test.ledger/0", "test.mirror/0"].every((shard) => has(shard)),
  );
  const before = heads().length;
  clock.advance(300_000);
  await settle();
  assert.equal(heads().length, before, "nothing happened");
  await ask(own, 1, 3);
  assert.equal(heads().length, before, "not at once");
  clock.advance(61_000);
  await until("after a minute", () => has("test.ledger/0", before));
  const moved = heads().length;
  await node.suspend("test.mirror");
  await until("when a capsule was suspended", () => has("kernel/test", moved));
  await node[Symbol.asyncDispose]();
});
