/**
 * Replays on a running node: of a capsule that is here, with the images that were kept, beside the work that goes on. A
 * capsule that says it is deterministic and comes out otherwise is reported, and suspended when it is the image that runs.
 */
import { DEFAULT_DETERMINISM_TIER, type DeterminismTier, parseManifest } from "@vnes/schemas";
import type { VnesError } from "@vnes/schemas";
import { type CapsuleImage, imageFile } from "../../admission/image.ts";
import { kernelErrors } from "../../errors.ts";
import type { SandboxSpec } from "../../ports/sandbox.ts";
import { isDiverged } from "../../replay/diverged.ts";
import { replayErrors } from "../../replay/errors.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { recordedShard } from "../ledger/recorded-shard.ts";
import type { NodeContext } from "../node/node-context.ts";
import { replaySpec } from "./replay-spec.ts";
import { type ReplayOptions, type ReplayReport, replayShard } from "./replay.ts";

/** Each has a host and holds a shard's keys in memory; a person looks at one at a time. */
const MAX_REPLAYS = 2;

export interface CapsuleReplayOptions extends ReplayOptions {
  /** Number of the shard; default 0. */
  readonly shard?: number;
}

export interface CapsuleReplayReport extends ReplayReport {
  readonly capsule: string;
  readonly tier: DeterminismTier;
  /** True for a plain replay that ended in a difference of a deterministic capsule. */
  readonly diverged: boolean;
}

export class Replays {
  readonly #context: NodeContext;
  readonly #diverged: (capsule: Capsule, error: VnesError) => Promise<void>;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  /** `diverged` suspends the capsule. */
  constructor(context: NodeContext, diverged: (capsule: Capsule, error: VnesError) => Promise<void>) {
    this.#context = context;
    this.#diverged = diverged;
  }

  /** Rejects with `CAPSULE_UNKNOWN`, `REPLAY_*`, `STATE_SHARD_*`, and ledger errors. */
  async run(id: string, options: CapsuleReplayOptions): Promise<CapsuleReplayReport> {
    const capsule = this.#context.table.get(id);
    if (capsule.manifest.type === "driver") throw replayErrors.create("REPLAY_NOT_LOGIC", { capsule: id });
    if (this.#running.size >= MAX_REPLAYS)
      throw replayErrors.create("REPLAY_TOO_MANY", { limit: MAX_REPLAYS });
    const run = this.#replay(capsule, options);
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  /** Ends what runs. */
  async stop(): Promise<void> {
    this.#ending.abort(kernelErrors.create("NODE_STOPPING"));
    await Promise.allSettled(this.#running);
  }

  async #replay(capsule: Capsule, options: CapsuleReplayOptions): Promise<CapsuleReplayReport> {
    const { parts, kernel } = this.#context;
    const { id } = capsule;
    const shard = await recordedShard(this.#context, capsule, options.shard ?? 0);
    const { signal: asked } = options;
    const signal = asked === undefined ? this.#ending.signal : AbortSignal.any([asked, this.#ending.signal]);
    const report = await replayShard(
      {
        ledger: parts.ledger,
        sandbox: parts.sandbox,
        digest: parts.digest,
        shard,
        imageOf: (hash) => this.#imageOf(capsule, shard, hash),
        specOf: (image) => this.#specOf(capsule, image),
      },
      { ...options, signal },
    );
    const tier = capsule.manifest.capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER;
    const { difference } = report;
    const diverged = isDiverged(difference, tier, options.against);
    if (diverged && difference !== null) {
      const { seq, image, what } = difference;
      await kernel.record({ type: "diverged", capsule: id, image, shard, seq });
      const error = kernelErrors.create("CAPSULE_DIVERGED", { capsule: id, shard, seq, what, image });
      // What an older version did is told; the one that runs now did not do it.
      if (image === capsule.image.hash) await this.#diverged(capsule, error);
    }
    return { ...report, capsule: id, tier, diverged };
  }

  async #imageOf(capsule: Capsule, shard: string, hash: string): Promise<CapsuleImage> {
    const kept = await this.#context.parts.archive?.get(hash);
    if (kept !== undefined) return kept;
    if (capsule.image.hash === hash) return capsule.image;
    throw replayErrors.create("REPLAY_IMAGE_MISSING", { image: hash, shard });
  }

  #specOf(
    capsule: Capsule,
    image: CapsuleImage,
  ): Pick<SandboxSpec, "language" | "entry" | "zone" | "limits" | "confinement"> {
    const { parts } = this.#context;
    const file = imageFile(image, "manifest.json");
    const parsed = file === undefined ? undefined : parseManifest(file.bytes);
    const manifest = parsed?.ok === true ? parsed.value : capsule.manifest;
    const { zone } = capsule;
    return replaySpec(parts, manifest, { limits: zone, walls: zone });
  }
}
