/** V3 of `verify.ts`, and V4 for files: each image that ran is whole, and what it was built from is what the receipt says. */
import {
  type ExecutionReceipt,
  instantOf,
  parseManifest,
  parseReceipt,
  type ReceiptBuild,
  type TrustDocument,
} from "@vnes/schemas";
import { subjectOf } from "../admission/policy-check.ts";
import { treeHash } from "../admission/tree-hash.ts";
import { signatureReasons } from "../admission/trust.ts";
import { hex } from "../ledger/chain.ts";
import type { LedgerRecord } from "../ledger/record.ts";
import type { Digest, SignatureVerifier } from "../ports/digest.ts";
import { fromBase64 } from "./base64.ts";
import { sha256 } from "./hashes.ts";
import { refusal, type Refusal } from "./refusal.ts";

export interface BuildCheck {
  readonly digest: Digest;
  readonly verifier: SignatureVerifier;
  /** Who may build what; the builds' signatures are judged as of the receipt's own time. */
  readonly trust?: TrustDocument;
}

const encoder = new TextEncoder();

export function buildRefusals(
  receipt: ExecutionReceipt,
  records: readonly LedgerRecord[],
  options: BuildCheck,
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

function buildProblems(
  { image, files, manifest, receipt, receipt_hash: said }: ReceiptBuild,
  pointer: string,
  { digest, verifier, trust }: BuildCheck,
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
