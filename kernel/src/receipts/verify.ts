/**
 * Checks an execution receipt: with nothing but the file, and better with the node's key and a trust document. Every
 * reason to refuse it is given, the first one being the place that was changed, as near as it can be told.
 *
 * V1. The file is canonical, so there is one file for one receipt, and no byte of it is free.
 * V2. Records follow from `anchor` to the signed head; each turn's event is there and is the one its record names.
 * V3. Each image that ran is whole (its hash is made of the files listed), and its build receipt is one of those files.
 * V4. Of a receipt that can be run again: the files of each image are the ones listed, and the state before the range is
 *     the one that a record of the range names, chunk by chunk.
 * V5. The node's key signed the head and the whole receipt. Whose key that is, only `key` can say.
 */
import {
  canonicalJson,
  type ExecutionReceipt,
  instantOf,
  parseExecutionReceipt,
  parseManifest,
  parseReceipt,
  type ReceiptBuild,
  type TrustDocument,
} from "@vnes/schemas";
import { treeHash } from "../admission/tree-hash.ts";
import { subjectOf } from "../admission/policy-check.ts";
import { signatureReasons } from "../admission/trust.ts";
import { chainHash, fromHex, hex } from "../ledger/chain.ts";
import { decodeRecord, type LedgerRecord, snapshotOf } from "../ledger/record.ts";
import { chunkName, chunksOf } from "../ledger/snapshot.ts";
import type { Digest, SignatureVerifier } from "../ports/digest.ts";
import { referenceOf, seqsOf } from "../replay/delivery.ts";
import { fromBase64 } from "./base64.ts";
import type { RefusalCode } from "./errors.ts";
import { sha256, turnHashes } from "./hashes.ts";
import { executionReceiptBytes, headBytes, keyIdOf } from "./signing.ts";

export interface Refusal {
  readonly code: RefusalCode;
  /** JSON pointer. */
  readonly pointer: string;
  readonly problem: string;
}

export type ReceiptVerdict =
  | { readonly ok: true; readonly receipt: ExecutionReceipt; readonly turns: number }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

export interface VerifyReceiptOptions {
  readonly digest: Digest;
  readonly verifier: SignatureVerifier;
  /** The node's public key, raw 32 bytes base64, as its owner told it. */
  readonly key?: string;
  /** Who may build what; the builds' signatures are judged as of the receipt's own time. */
  readonly trust?: TrustDocument;
}

export function verifyExecutionReceipt(file: Uint8Array, options: VerifyReceiptOptions): ReceiptVerdict {
  const parsed = parseExecutionReceipt(file);
  if (!parsed.ok) {
    const refusals = parsed.problems.map(({ pointer, message }) => refusal("UNREADABLE", pointer, message));
    return { ok: false, refusals };
  }
  const receipt = parsed.value;
  if (!isCanonical(file, receipt))
    return { ok: false, refusals: [refusal("UNREADABLE", "", "it is not in canonical form")] };
  const { records, refusals: ofChain } = readRecords(receipt, options.digest);
  const refusals = [
    ...ofChain,
    ...(ofChain.length > 0 ? [] : inputRefusals(receipt, records, options.digest)),
    ...(ofChain.length > 0 ? [] : hashRefusals(receipt, records, options.digest)),
    ...(ofChain.length > 0 ? [] : buildRefusals(receipt, records, options)),
    ...(ofChain.length > 0 ? [] : snapshotRefusals(receipt, records, options.digest)),
    ...signatureRefusals(receipt, options),
  ];
  if (refusals.length > 0) return { ok: false, refusals };
  return { ok: true, receipt, turns: records.filter(({ kind }) => kind === "turn").length };
}

const encoder = new TextEncoder();
const LINE_FEED = 0x0a;

/** V1. */
function isCanonical(file: Uint8Array, receipt: ExecutionReceipt): boolean {
  const bytes = canonicalJson(receipt);
  if (file.length !== bytes.length + 1 || file[bytes.length] !== LINE_FEED) return false;
  return bytes.every((byte, index) => byte === file[index]);
}

/** V2, the chain. */
function readRecords(
  { shard, range, anchor, records, head, capsule }: ExecutionReceipt,
  digest: Digest,
): { readonly records: readonly LedgerRecord[]; readonly refusals: readonly Refusal[] } {
  const read: LedgerRecord[] = [];
  const stop = (...reason: Parameters<typeof refusal>): ReturnType<typeof readRecords> => {
    return { records: read, refusals: [refusal(...reason)] };
  };
  if (shard.slice(0, shard.lastIndexOf("/")) !== capsule.id)
    return stop("RECORD_WRONG", "/capsule/id", `the shard is ${shard}, the capsule ${capsule.id}`);
  let hash = fromHex(anchor);
  for (const [index, { seq, hash: said, bytes }] of records.entries()) {
    const pointer = `/records/${index}`;
    if (seq !== range.from + index)
      return stop("CHAIN_WRONG", `${pointer}/seq`, `record ${range.from + index} is not there`);
    const encoded = encoder.encode(bytes);
    hash = chainHash(hash, encoded, digest);
    if (hex(hash) !== said)
      return stop("CHAIN_WRONG", pointer, `record ${seq} does not follow from the record before it`);
    try {
      read.push(decodeRecord(shard, seq, encoded));
    } catch (error) {
      return stop("RECORD_WRONG", pointer, error instanceof Error ? error.message : String(error));
    }
  }
  if (range.to !== range.from + records.length - 1)
    return stop("CHAIN_WRONG", "/range/to", `the records end at ${range.from + records.length - 1}`);
  if (head.shard !== shard || head.seq !== range.to || head.hash !== hex(hash))
    return stop("HEAD_WRONG", "/head", "the signed head is not that of the last record");
  return { records: read, refusals: [] };
}

/** V2, the events. */
function inputRefusals(
  { events }: ExecutionReceipt,
  records: readonly LedgerRecord[],
  digest: Digest,
): readonly Refusal[] {
  const known = new Map<string, { readonly hash: string; readonly before: string }>();
  for (const [index, { shard, seq, before, hash, bytes }] of events.entries()) {
    const pointer = `/events/${index}`;
    if (hex(chainHash(fromHex(before), encoder.encode(bytes), digest)) !== hash)
      return [refusal("INPUT_WRONG", pointer, `event ${shard} ${seq} is not what its hash says`)];
    try {
      if (decodeRecord(shard, seq, encoder.encode(bytes)).kind !== "event")
        return [refusal("INPUT_WRONG", pointer, `${shard} ${seq} is no event`)];
    } catch (error) {
      return [refusal("INPUT_WRONG", pointer, error instanceof Error ? error.message : String(error))];
    }
    known.set(`${shard} ${seq}`, { hash, before });
  }
  for (const [index, record] of records.entries()) {
    const reference = record.kind === "turn" ? referenceOf(record.input) : undefined;
    if (reference === undefined) continue;
    const pointer = `/records/${index}`;
    // The record names the last event; those before it are tied to it by the chain they are in.
    const [first = reference.seq] = seqsOf(reference);
    let expected = reference.hash;
    for (let seq = reference.seq; seq >= first; seq--) {
      const event = known.get(`${reference.shard} ${seq}`);
      if (event === undefined)
        return [
          refusal("INPUT_WRONG", pointer, `the event it consumed, ${reference.shard} ${seq}, is not there`),
        ];
      if (event.hash !== expected)
        return [
          refusal("INPUT_WRONG", pointer, `it consumed another event than ${reference.shard} ${seq} is`),
        ];
      expected = event.before;
    }
  }
  return [];
}

function hashRefusals(
  { input_hash: input, output_hash: output, transformations }: ExecutionReceipt,
  records: readonly LedgerRecord[],
  digest: Digest,
): readonly Refusal[] {
  const are = turnHashes(records, digest);
  const refusals: Refusal[] = [];
  if (input !== are.input) refusals.push(refusal("HASH_WRONG", "/input_hash", "the records give another"));
  if (output !== are.output) refusals.push(refusal("HASH_WRONG", "/output_hash", "the records give another"));
  const [step] = transformations;
  if (step?.input_hash !== input || step.output_hash !== output)
    refusals.push(refusal("HASH_WRONG", "/transformations/0", "it differs from input_hash and output_hash"));
  return refusals;
}

/** V3. */
function buildRefusals(
  receipt: ExecutionReceipt,
  records: readonly LedgerRecord[],
  options: VerifyReceiptOptions,
): readonly Refusal[] {
  const ran = new Set(receipt.image === null ? [] : [receipt.image as string]);
  let last: string | null = receipt.image;
  for (const record of records) {
    if (record.kind !== "activation") continue;
    ran.add(record.image);
    last = record.image;
  }
  const listed = receipt.builds.map(({ image }) => image as string);
  if (JSON.stringify([...ran]) !== JSON.stringify(listed))
    return [refusal("BUILD_WRONG", "/builds", "they are not the images that the records say ran")];
  const refusals = receipt.builds.flatMap((build, index) =>
    buildProblems(build, `/builds/${index}`, options, receipt),
  );
  if (refusals.length > 0) return refusals;
  const named = receipt.builds.find(({ image }) => image === last);
  const parsed = named === undefined ? undefined : parseReceipt(encoder.encode(named.receipt));
  if (parsed?.ok !== true) return [];
  const { capsule, determinism_tier: tier } = parsed.value;
  if (JSON.stringify(capsule) !== JSON.stringify(receipt.capsule))
    return [refusal("BUILD_WRONG", "/capsule", `the build is of ${capsule.id} ${capsule.version}`)];
  if (tier !== receipt.determinism_tier)
    return [refusal("BUILD_WRONG", "/determinism_tier", `the build says ${tier}`)];
  return [];
}

/** V4, the state. */
function snapshotRefusals(
  { snapshot, range, anchor, image }: ExecutionReceipt,
  records: readonly LedgerRecord[],
  digest: Digest,
): readonly Refusal[] {
  if (snapshot === undefined) return [];
  const record = records[snapshot.seq - range.from];
  const named = record === undefined ? undefined : snapshotOf(record);
  if (named === undefined)
    return [refusal("SNAPSHOT_WRONG", "/snapshot/seq", `record ${snapshot.seq} names no snapshot`)];
  if (named.through !== range.from - 1 || named.head !== anchor || named.scalars.image !== image)
    return [refusal("SNAPSHOT_WRONG", "/snapshot", "it is not the state before the range")];
  const wanted = [...new Set(chunksOf(named))];
  for (const [index, { name, bytes }] of snapshot.chunks.entries()) {
    if (name !== wanted[index])
      return [refusal("SNAPSHOT_WRONG", `/snapshot/chunks/${index}`, "the record names another chunk here")];
    if (chunkName(encoder.encode(bytes), digest) !== name)
      return [refusal("SNAPSHOT_WRONG", `/snapshot/chunks/${index}`, "it is not what its hash says")];
  }
  if (snapshot.chunks.length !== wanted.length)
    return [refusal("SNAPSHOT_WRONG", "/snapshot/chunks", "the record names other chunks as well")];
  return [];
}

function buildProblems(
  { image, files, manifest, receipt, receipt_hash: said }: ReceiptBuild,
  pointer: string,
  { digest, verifier, trust }: VerifyReceiptOptions,
  { timestamp }: ExecutionReceipt,
): readonly Refusal[] {
  if (treeHash(files, digest) !== image)
    return [refusal("BUILD_WRONG", `${pointer}/files`, "the files listed do not give the image's hash")];
  for (const [index, { bytes, size, sha256: is }] of files.entries()) {
    if (bytes === undefined) continue;
    const file = fromBase64(bytes);
    if (file === undefined || file.length !== size || `sha256:${hex(digest.sha256(file))}` !== is)
      return [refusal("BUILD_WRONG", `${pointer}/files/${index}/bytes`, "it is not the file that is listed")];
  }
  const hashOf = (path: string): string | undefined => files.find((file) => file.path === path)?.sha256;
  if (sha256(receipt, digest) !== said || hashOf("receipt.stunir.json") !== said)
    return [refusal("BUILD_WRONG", `${pointer}/receipt`, "it is not the build receipt of the image")];
  if (hashOf("manifest.json") !== sha256(manifest, digest))
    return [refusal("BUILD_WRONG", `${pointer}/manifest`, "it is not the manifest of the image")];
  const build = parseReceipt(encoder.encode(receipt));
  if (!build.ok)
    return [refusal("BUILD_WRONG", `${pointer}/receipt`, build.problems[0]?.message ?? "it cannot be read")];
  for (const { path, sha256: is } of files) {
    if (path !== "receipt.stunir.json" && build.value.files[path] !== is)
      return [refusal("BUILD_WRONG", `${pointer}/receipt`, `it says another hash for ${path}`)];
  }
  if (trust === undefined) return [];
  const parsed = parseManifest(encoder.encode(manifest));
  if (!parsed.ok) return [refusal("BUILD_WRONG", `${pointer}/manifest`, "it cannot be read")];
  const reasons = signatureReasons(
    build.value,
    subjectOf(parsed.value),
    trust,
    instantOf(timestamp),
    verifier,
  );
  return reasons.map(({ code, message }) =>
    refusal("BUILD_UNTRUSTED", `${pointer}/receipt`, `${code}: ${message}`),
  );
}

/** V5. */
function signatureRefusals(
  receipt: ExecutionReceipt,
  { digest, verifier, key }: VerifyReceiptOptions,
): readonly Refusal[] {
  const { head, public_key: signer, signature, node } = receipt;
  const id = keyIdOf(signer, digest);
  const refusals: Refusal[] = [];
  if (signature.key_id !== id)
    refusals.push(refusal("SIGNATURE_WRONG", "/signature/key_id", "it is not that of public_key"));
  if (head.key_id !== id || head.node !== node || !verifier.verify(signer, headBytes(head), head.value))
    refusals.push(refusal("HEAD_WRONG", "/head", "the node's key did not sign it"));
  if (!verifier.verify(signer, executionReceiptBytes(receipt), signature.value))
    refusals.push(refusal("SIGNATURE_WRONG", "/signature", "the receipt is not what the node's key signed"));
  if (key !== undefined && key !== signer)
    refusals.push(refusal("KEY_OTHER", "/public_key", `${signer} signed it, not ${key}`));
  return refusals;
}

function refusal(
  code: RefusalCode extends `EXECUTION_RECEIPT_${infer Name}` ? Name : never,
  pointer: string,
  problem: string,
): Refusal {
  return { code: `EXECUTION_RECEIPT_${code}`, pointer: pointer === "" ? "/" : pointer, problem };
}
