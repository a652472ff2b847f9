/** Discovery and admission: reads what the sources offer, judges each image, puts what fails into quarantine; what policy requires first. */
import { isVnesError, type Json, type Manifest, parseManifest } from "@vnes/schemas";
import { gatherEvidence } from "../../admission/evidence.ts";
import { type CapsuleImage, imageFile } from "../../admission/image.ts";
import { judge } from "../../admission/judge.ts";
import type { Reason } from "../../admission/verdict.ts";
import { kernelErrors } from "../../errors.ts";
import type { CapsuleCandidate } from "../../ports/capsule-source.ts";
import type { NodeParts } from "../node/parts.ts";

/** An image that passed. */
export interface Admitted {
  readonly manifest: Manifest;
  readonly image: CapsuleImage;
  readonly origin: string;
  readonly warnings: readonly Reason[];
}

/** Something that did not. */
export interface Refused {
  /** Of the quarantine. */
  readonly entry: string;
  readonly id: string | null;
  readonly version: string | null;
  readonly imageHash: string | null;
  readonly origin: string;
  readonly reasons: readonly Reason[];
}

export interface Admission {
  readonly admitted: readonly Admitted[];
  readonly refused: readonly Refused[];
}

/** A candidate that was read, and the id it claims; nothing of it is believed yet. */
interface Discovered {
  readonly candidate: CapsuleCandidate;
  /** Or why it could not be read. */
  readonly image: CapsuleImage | Reason;
}

/**
 * What the sources offer, read once, in their order. `first`: what policy requires, and what cannot say what it is, because it
 * may be that.
 */
export async function discover(
  parts: NodeParts,
): Promise<{ readonly first: readonly Discovered[]; readonly others: readonly Discovered[] }> {
  const first: Discovered[] = [];
  const others: Discovered[] = [];
  for (const source of parts.sources) {
    for (const candidate of await source.candidates()) {
      const image = await readOnce(candidate);
      const id = "code" in image ? undefined : tryManifest(image)?.id;
      const isFirst = id === undefined || parts.policy.required.includes(id);
      (isFirst ? first : others).push({ candidate, image });
    }
  }
  return { first, others };
}

/** Judges every one. What is refused is in quarantine when this resolves. */
export async function admitAll(
  parts: NodeParts,
  denied: ReadonlyMap<string, string>,
  discovered: readonly Discovered[],
): Promise<Admission> {
  const admitted = new Map<string, Admitted>();
  const refused: Refused[] = [];
  for (const { candidate, image } of discovered) {
    const outcome =
      "code" in image
        ? await quarantine(parts, candidate, null, [image], null)
        : await admit(parts, candidate, image, denied, admitted);
    if (outcome === undefined) continue;
    if ("reasons" in outcome) refused.push(outcome);
    else admitted.set(outcome.manifest.id, outcome);
  }
  return { admitted: [...admitted.values()], refused };
}

async function readOnce(candidate: CapsuleCandidate): Promise<CapsuleImage | Reason> {
  try {
    return await candidate.read();
  } catch (error) {
    return unreadable(candidate.origin, error);
  }
}

async function admit(
  parts: NodeParts,
  candidate: CapsuleCandidate,
  image: CapsuleImage,
  denied: ReadonlyMap<string, string>,
  admitted: ReadonlyMap<string, Admitted>,
): Promise<Admitted | Refused | undefined> {
  const { origin } = candidate;
  const { digest, verifier, trust, policy, clock } = parts;
  const known = { digest, verifier, trust, policy, now: clock.now() };
  // A registry's copy is nobody's working directory: remedies then say `<dir>`.
  const evidence = gatherEvidence(image, origin.startsWith("registry:") ? known : { ...known, origin });
  const verdict = judge(evidence);
  if (verdict.kind === "quarantined") {
    return quarantine(parts, candidate, image, verdict.reasons, evidence as unknown as Json);
  }
  const manifest = manifestOf(image);
  const why = denied.get(image.hash);
  if (why !== undefined) {
    const details = { capsule: manifest.id, image: image.hash, reason: why };
    return quarantine(
      parts,
      candidate,
      image,
      [reasonFrom(kernelErrors.create("CAPSULE_IMAGE_DENIED", details))],
      null,
    );
  }
  const first = admitted.get(manifest.id);
  if (first !== undefined) {
    if (first.image.hash === image.hash) return undefined;
    const details = { capsule: manifest.id, origin, first: first.origin };
    return quarantine(
      parts,
      candidate,
      image,
      [reasonFrom(kernelErrors.create("CAPSULE_DUPLICATE", details))],
      null,
    );
  }
  return { manifest, image, origin, warnings: verdict.warnings };
}

async function quarantine(
  parts: NodeParts,
  candidate: CapsuleCandidate,
  image: CapsuleImage | null,
  reasons: readonly Reason[],
  evidence: Json,
): Promise<Refused> {
  const { origin, keptAs } = candidate;
  const known = image === null ? keptAs : tryManifest(image);
  const id = known?.id ?? null;
  const version = known?.version ?? null;
  const at = parts.clock.now();
  const { entry } = await parts.quarantine.put({ origin, id, version, image, at, reasons, evidence });
  return { id, version, imageHash: image?.hash ?? null, origin, reasons, entry };
}

export function reasonFrom(error: unknown): Reason {
  if (!isVnesError(error)) throw error;
  const { code, message, remedy, elsewhere, details } = error;
  const file = details["file"];
  return {
    ...{ code, message, remedy },
    ...(elsewhere ? { elsewhere } : {}),
    ...(typeof file === "string" ? { file } : {}),
  };
}

/** None for what is no operational failure: a fault of ours has no remedy to show. */
export function reasonsFrom(error: unknown): readonly Reason[] {
  return isVnesError(error) ? [reasonFrom(error)] : [];
}

function unreadable(origin: string, error: unknown): Reason {
  if (isVnesError(error)) return reasonFrom(error);
  const problem = error instanceof Error ? error.message : String(error);
  return reasonFrom(kernelErrors.create("CAPSULE_IMAGE_UNREADABLE", { origin, problem }, error));
}

function tryManifest(image: CapsuleImage): Manifest | undefined {
  const file = imageFile(image, "manifest.json");
  if (file === undefined) return undefined;
  const parsed = parseManifest(file.bytes);
  return parsed.ok ? parsed.value : undefined;
}

function manifestOf(image: CapsuleImage): Manifest {
  const manifest = tryManifest(image);
  if (manifest === undefined) throw new Error("a verified image has a manifest");
  return manifest;
}
