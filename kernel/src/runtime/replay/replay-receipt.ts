/**
 * Runs again what an execution receipt holds: no node and no ledger, only the file. The receipt was verified before; its
 * images run behind the wall of the strictest zone, whatever zone they ran in, because a file's own word is all there is of
 * who made them.
 */
import {
  type DeterminismTier,
  type ExecutionReceipt,
  parseManifest,
  type Policy,
  type ReceiptBuild,
} from "@vnes/schemas";
import { type CapsuleImage, imageFile } from "../../admission/image.ts";
import type { Platform } from "../../confinement/confinement.ts";
import type { Digest } from "../../ports/digest.ts";
import type { Sandbox, SandboxSpec } from "../../ports/sandbox.ts";
import { fromBase64 } from "../../receipts/base64.ts";
import { ReceiptLedger } from "../../receipts/receipt-ledger.ts";
import { isDiverged } from "../../replay/diverged.ts";
import { replayErrors } from "../../replay/errors.ts";
import { replaySpec } from "./replay-spec.ts";
import { type ReplayOptions, type ReplayReport, replayShard } from "./replay.ts";

const ZONE = "ephemeral";

export interface ReceiptReplayParts {
  readonly sandbox: Sandbox;
  readonly digest: Digest;
  readonly policy: Policy;
  readonly platform: Platform;
  readonly unconfinedDev: boolean;
}

export interface ReceiptReplayReport extends ReplayReport {
  readonly capsule: string;
  readonly tier: DeterminismTier;
  /** True for a plain replay that ended in a difference of a deterministic capsule. */
  readonly diverged: boolean;
}

/** Whether the receipt holds its images, and the state its records begin with. */
export function isReplayable({ builds, range, snapshot }: ExecutionReceipt): boolean {
  const isWhole = builds.every(({ files }) => files.every(({ bytes }) => bytes !== undefined));
  return isWhole && builds.length > 0 && (range.from === 1 || snapshot !== undefined);
}

/** Rejects with `REPLAY_*`, `CAPSULE_ZONE_UNCONFINED`, and what a sandbox rejects with. */
export async function replayReceipt(
  receipt: ExecutionReceipt,
  parts: ReceiptReplayParts,
  options: ReplayOptions = {},
): Promise<ReceiptReplayReport> {
  const { shard, range, capsule } = receipt;
  if (!isReplayable(receipt)) throw replayErrors.create("REPLAY_RECEIPT_PLAIN", { capsule: capsule.id });
  const { from = range.from, to = range.to } = options;
  if (from < range.from || from > to || to > range.to)
    throw replayErrors.create("REPLAY_RANGE_EMPTY", {
      shard,
      from,
      to,
      oldest: range.from,
      last: range.to,
    });
  const images = new Map(receipt.builds.map((build) => [build.image as string, imageOf(build)]));
  const report = await replayShard(
    {
      ledger: new ReceiptLedger(receipt),
      sandbox: parts.sandbox,
      digest: parts.digest,
      shard,
      imageOf: async (hash) => {
        const image = images.get(hash);
        if (image === undefined) throw replayErrors.create("REPLAY_IMAGE_MISSING", { image: hash, shard });
        return image;
      },
      specOf: (image) => specOf(parts, image, shard),
    },
    { ...options, from, to },
  );
  const { determinism_tier: tier } = receipt;
  const diverged = isDiverged(report.difference, tier, options.against);
  return { ...report, capsule: capsule.id, tier, diverged };
}

function specOf(
  parts: ReceiptReplayParts,
  image: CapsuleImage,
  shard: string,
): Omit<SandboxSpec, "instance" | "image" | "group"> {
  const file = imageFile(image, "manifest.json");
  const parsed = file === undefined ? undefined : parseManifest(file.bytes);
  if (parsed?.ok !== true) throw replayErrors.create("REPLAY_IMAGE_MISSING", { image: image.hash, shard });
  const manifest = parsed.value;
  return replaySpec(parts, manifest, { limits: manifest.security?.trust_zone ?? ZONE, walls: ZONE });
}

function imageOf({ image, files }: ReceiptBuild): CapsuleImage {
  return {
    hash: image,
    files: files.map(({ path, executable, sha256, bytes }) => {
      return { path, executable, sha256, bytes: fromBase64(bytes ?? "") ?? new Uint8Array() };
    }),
  };
}
