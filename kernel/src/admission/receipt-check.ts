/** Does the receipt vouch for exactly these files: each differing, missing and extra file by name. */
import { DEFAULT_DETERMINISM_TIER, type Manifest, type Receipt } from "@vnes/schemas";
import { admissionReason } from "./errors.ts";
import type { CapsuleImage } from "./image.ts";
import type { PartHashes } from "./tree-hash.ts";
import type { Reason } from "./verdict.ts";

const RECEIPT = "receipt.stunir.json";

export function receiptReasons(
  receipt: Receipt,
  manifest: Manifest | null,
  image: CapsuleImage,
  hashes: PartHashes,
): readonly Reason[] {
  const files = fileReasons(receipt, image);
  // A part that differs because a file does is said once, by the file's name.
  return [
    ...identityReasons(receipt, manifest),
    ...(files.length > 0 ? files : partReasons(receipt, hashes)),
  ];
}

function identityReasons(receipt: Receipt, manifest: Manifest | null): readonly Reason[] {
  const reasons: Reason[] = [];
  if (manifest !== null) {
    const said = `${receipt.capsule.id} ${receipt.capsule.version}`;
    const is = `${manifest.id} ${manifest.version}`;
    if (said !== is) {
      const place = { file: RECEIPT, pointer: "/capsule" };
      reasons.push(admissionReason("RECEIPT_FOR_OTHER_CAPSULE", { said, is }, place));
    }
    const tier = manifest.capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER;
    if (receipt.determinism_tier !== tier) {
      const details = { said: receipt.determinism_tier, is: tier };
      reasons.push(
        admissionReason("RECEIPT_TIER_MISMATCH", details, { file: RECEIPT, pointer: "/determinism_tier" }),
      );
    }
  }
  const { key_id: key, value } = receipt.signature;
  const repeated = receipt.signatures.some(
    (one) => one.role === "build" && one.key_id === key && one.value === value,
  );
  if (!repeated) {
    reasons.push(admissionReason("RECEIPT_SIGNATURE_DIFFERS", {}, { file: RECEIPT, pointer: "/signature" }));
  }
  return reasons;
}

function fileReasons(receipt: Receipt, image: CapsuleImage): readonly Reason[] {
  const reasons: Reason[] = [];
  const seen = new Set<string>();
  for (const { path: file, sha256: is } of image.files) {
    if (file === RECEIPT) continue;
    seen.add(file);
    const said = Object.hasOwn(receipt.files, file) ? receipt.files[file] : undefined;
    if (said === undefined) reasons.push(admissionReason("RECEIPT_FILE_EXTRA", { file }, { file }));
    else if (said !== is)
      reasons.push(admissionReason("RECEIPT_HASH_MISMATCH", { file, said, is }, { file }));
  }
  for (const file of Object.keys(receipt.files)) {
    if (!seen.has(file)) reasons.push(admissionReason("RECEIPT_FILE_MISSING", { file }, { file }));
  }
  return reasons;
}

/** The part hashes also cover what the list of files does not: names, order and the executable bit. */
function partReasons(receipt: Receipt, hashes: PartHashes): readonly Reason[] {
  const { input, ...parts } = hashes;
  const pairs: readonly (readonly [part: string, pointer: string, said: string, is: string])[] = [
    ...(["manifest", "spec", "src", "impl"] as const).map(
      (part) =>
        [
          part === "manifest" ? "manifest.json" : `${part}/`,
          `/parts/${part}`,
          receipt.parts[part],
          parts[part],
        ] as const,
    ),
    ["everything it was built from", "/input_hash", receipt.input_hash, input],
    ["impl/", "/output_hash", receipt.output_hash, parts.impl],
  ];
  return pairs.flatMap(([part, pointer, said, is]) => {
    if (said === is) return [];
    return [admissionReason("RECEIPT_PART_MISMATCH", { part, said, is }, { file: RECEIPT, pointer })];
  });
}
