/** Everything known about an image before it is judged: what was parsed, what was recomputed, what speaks against it. */
import {
  type Manifest,
  type Parsed,
  parseManifest,
  parseReceipt,
  type Policy,
  type Receipt,
  shellWord,
  type TopicDefinition,
  type TrustDocument,
} from "@vnes/schemas";
import type { Digest, SignatureVerifier } from "../ports/digest.ts";
import { contentReasons } from "./content-check.ts";
import { documentReasons } from "./document-reasons.ts";
import { admissionReason } from "./errors.ts";
import { type CapsuleImage, imageFile } from "./image.ts";
import { policyReasons, subjectOf } from "./policy-check.ts";
import { receiptReasons } from "./receipt-check.ts";
import { evolutionReasons } from "./topic-files.ts";
import { allHashes, type PartHashes } from "./tree-hash.ts";
import { signatureReasons } from "./trust.ts";
import type { Reason } from "./verdict.ts";
import { widenedReasons } from "./widening.ts";

export interface EvidenceParts {
  readonly digest: Digest;
  readonly verifier: SignatureVerifier;
  readonly trust: TrustDocument;
  readonly policy: Policy;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Where the image was read, for remedies. */
  readonly origin?: string;
  /** The version this one would replace; asking for more than it did needs `allowWidened`. */
  readonly installed?: Manifest;
  readonly allowWidened?: boolean;
  /** Topics that version defined: what a new definition of one of them has to add to. */
  readonly installedTopics?: readonly TopicDefinition[];
}

export interface Evidence {
  readonly imageHash: string;
  readonly at: number;
  readonly manifest: Manifest | null;
  readonly receipt: Receipt | null;
  readonly hashes: PartHashes;
  /** Version of the trust document that was gone by. */
  readonly trustVersion: number;
  readonly findings: {
    readonly manifest: readonly Reason[];
    readonly receipt: readonly Reason[];
    readonly content: readonly Reason[];
    readonly signatures: readonly Reason[];
    readonly policy: readonly Reason[];
    readonly widening: readonly Reason[];
  };
  readonly warnings: readonly Reason[];
}

export function gatherEvidence(image: CapsuleImage, parts: EvidenceParts): Evidence {
  const { digest, verifier, trust, policy, now, installed } = parts;
  const manifest = readDocument(image, "manifest.json", parseManifest);
  const receipt = readDocument(image, "receipt.stunir.json", parseReceipt);
  const hashes = allHashes(image, digest);
  const m = manifest.value;
  const r = receipt.value;
  const subject = m === null ? null : subjectOf(m);
  const evidence: Evidence = {
    imageHash: image.hash,
    at: now,
    manifest: m,
    receipt: r,
    hashes,
    trustVersion: trust.version,
    findings: {
      manifest: manifest.missing
        ? [admissionReason("MANIFEST_MISSING", {}, { file: "manifest.json" })]
        : manifest.reasons,
      receipt: [
        ...(receipt.missing
          ? [admissionReason("RECEIPT_MISSING", {}, { file: "receipt.stunir.json" })]
          : receipt.reasons),
        ...(r === null ? [] : receiptReasons(r, m, image, hashes)),
      ],
      content: [
        ...(m === null ? [] : contentReasons(m, image)),
        ...evolutionReasons(image, parts.installedTopics ?? []),
      ],
      signatures: r === null || subject === null ? [] : signatureReasons(r, subject, trust, now, verifier),
      policy: m === null ? [] : policyReasons(m, policy),
      widening:
        m === null || installed === undefined || parts.allowWidened === true
          ? []
          : widenedReasons(m, installed),
    },
    warnings: [...manifest.warnings, ...receipt.warnings],
  };
  return parts.origin === undefined ? evidence : withOrigin(evidence, parts.origin);
}

function readDocument<T>(
  image: CapsuleImage,
  file: string,
  parse: (bytes: Uint8Array) => Parsed<T>,
): {
  readonly value: T | null;
  readonly missing: boolean;
  readonly reasons: readonly Reason[];
  readonly warnings: readonly Reason[];
} {
  const found = imageFile(image, file);
  if (found === undefined) return { value: null, missing: true, reasons: [], warnings: [] };
  const parsed = parse(found.bytes);
  if (!parsed.ok) {
    return { value: null, missing: false, reasons: documentReasons(file, parsed.problems), warnings: [] };
  }
  const warnings = documentReasons(file, parsed.warnings);
  return { value: parsed.value, missing: false, reasons: [], warnings };
}

/** Remedies name the directory a person would type. */
function withOrigin(evidence: Evidence, origin: string): Evidence {
  const dir = shellWord(origin);
  const name = (reason: Reason): Reason => ({
    ...reason,
    remedy: reason.remedy.replaceAll("<dir>", () => dir),
  });
  const findings = Object.fromEntries(
    Object.entries(evidence.findings).map(([area, reasons]) => [area, reasons.map(name)]),
  ) as unknown as Evidence["findings"];
  return { ...evidence, findings };
}
