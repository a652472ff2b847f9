/** Asks admission about an image, and on request builds its sources again to see that they give the same bytes. */
import { resolve } from "node:path";
import {
  type CapsuleImage,
  type Evidence,
  gatherEvidence,
  imageFile,
  judge,
  type Verdict,
} from "@vnes/kernel";
import type { Manifest, Policy, TopicDefinition, TrustDocument } from "@vnes/schemas";
import { BUNDLE_FILE, bundle, SOURCE_ENTRY } from "./bundle.ts";
import { registryErrors } from "./errors.ts";
import { readImage } from "./image-reader.ts";
import type { Libraries } from "./libraries.ts";
import type { LocalRegistry } from "./local-registry.ts";
import { nodeDigest, nodeVerifier } from "./node-digest.ts";

export interface VerifyOptions {
  readonly trust: TrustDocument;
  readonly policy: Policy;
  readonly now?: Date;
  /** What this one would take the place of; asking for more than it did needs an explicit yes. */
  readonly installed?: Manifest;
  readonly allowWidened?: boolean;
  /** Topics it defined; a new definition of one has to add to it. */
  readonly installedTopics?: readonly TopicDefinition[];
}

/** To build again what is compared: with the libraries it may import. */
export interface RebuildOptions extends VerifyOptions {
  readonly rebuild?: boolean;
  readonly libraries?: Libraries;
}

export interface Verified {
  readonly origin: string;
  readonly image: CapsuleImage;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
  /** As far as it could be read. */
  readonly manifest: Manifest | null;
}

/** Rejects with an `IMAGE_*` error when the directory cannot be read as an image; any other finding is in the verdict. */
export async function verifyCapsule(dir: string, options: RebuildOptions): Promise<Verified> {
  const origin = resolve(dir);
  const verified = verifyImage(await readImage(origin), origin, options);
  return options.rebuild === true ? await withRebuild(verified, options.libraries) : verified;
}

/** The same about the version of `id` that is installed; null when none is. */
export async function verifyInstalled(
  registry: LocalRegistry,
  id: string,
  options: RebuildOptions,
): Promise<Verified | null> {
  const current = await registry.current(id);
  if (current === null) return null;
  const origin = `registry:${current.image}`;
  const verified = verifyImage(await registry.readImage(current.image, current.origin), origin, options);
  return options.rebuild === true ? await withRebuild(verified, options.libraries) : verified;
}

export function verifyImage(image: CapsuleImage, origin: string, options: VerifyOptions): Verified {
  const { trust, policy, now = new Date(), installed, allowWidened = false, installedTopics = [] } = options;
  const evidence = gatherEvidence(image, {
    digest: nodeDigest,
    verifier: nodeVerifier,
    trust,
    policy,
    now: now.getTime(),
    origin,
    ...(installed === undefined ? {} : { installed }),
    allowWidened,
    installedTopics,
  });
  return { origin, image, evidence, verdict: judge(evidence), manifest: evidence.manifest };
}

/** The verdict becomes a refusal when src/ gives another impl/main.js than the one that is there. */
async function withRebuild(verified: Verified, libraries: Libraries | undefined): Promise<Verified> {
  const { image, origin, verdict } = verified;
  if (imageFile(image, SOURCE_ENTRY) === undefined) return verified;
  const { bytes } = await bundle(image, origin, libraries);
  const there = imageFile(image, BUNDLE_FILE);
  if (there !== undefined && Buffer.compare(bytes, there.bytes) === 0) return verified;
  const { code, message, remedy } = registryErrors.create("REBUILD_DIFFERS", {
    dir: origin,
    file: BUNDLE_FILE,
  });
  const reasons = verdict.kind === "quarantined" ? verdict.reasons : [];
  const added = { code, message, remedy, file: BUNDLE_FILE };
  return {
    ...verified,
    verdict: { kind: "quarantined", reasons: [...reasons, added], warnings: verdict.warnings },
  };
}
