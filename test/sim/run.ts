/** One run of one seed: what it is given, what came of it, and the hash of everything that happened. */
import { createHash } from "node:crypto";
import type { CapsuleImage, StoredRecord } from "@vnes/kernel";
import { type Manifest, parseManifest, parseTopicDefinition, type TopicDefinition } from "@vnes/schemas";
import { imageFile } from "@vnes/kernel";
import { type Topology, topologyOf } from "../history/topology.ts";
import { BUS_CAPSULES, runBus } from "./bus-run.ts";
import { BundleRealm } from "./bundles.ts";
import type { Built } from "./images.ts";
import { World } from "./world.ts";

export interface RunParts {
  readonly world: World;
  readonly built: Built;
  readonly realm: BundleRealm;
  readonly topology: Topology;
  /** Things the clients do. */
  readonly steps: number;
}

export interface Outcome {
  readonly problems: readonly string[];
  /** Keys whose history was too wide to decide. */
  readonly undecided: number;
  /** What each node left. */
  readonly ledgers: readonly ReadonlyMap<string, readonly StoredRecord[]>[];
  readonly operations: number;
  readonly lives: number;
}

export interface Run extends Outcome {
  readonly seed: number;
  /** sha256 over the trace and the head of every shard. */
  readonly hash: string;
  readonly trace: readonly string[];
}

export class Simulator {
  readonly #built: Built;
  readonly #realm = new BundleRealm();
  readonly #topology: Topology;

  constructor(built: Built) {
    this.#built = built;
    this.#topology = topologyFrom(BUS_CAPSULES.flatMap((id) => built.images.get(id) ?? []));
  }

  async run(seed: number, steps: number, keepTrace: boolean): Promise<Run> {
    const world = new World(seed, keepTrace);
    const parts = { world, built: this.#built, realm: this.#realm, topology: this.#topology, steps };
    const outcome = await runBus(parts);
    const hash = createHash("sha256").update(world.digest());
    for (const ledger of outcome.ledgers)
      for (const [shard, records] of ledger) hash.update(shard).update(records.at(-1)?.hash ?? "");
    return { seed, ...outcome, hash: hash.digest("hex"), trace: world.lines };
  }
}

const TOPIC_FILE = /^spec\/topics\/[^/]+\.json$/;

export function topologyFrom(images: readonly CapsuleImage[]): Topology {
  const manifests: Manifest[] = [];
  const definitions: TopicDefinition[] = [];
  for (const image of images) {
    const file = imageFile(image, "manifest.json");
    const manifest = file === undefined ? undefined : parseManifest(file.bytes);
    if (manifest?.ok === true) manifests.push(manifest.value);
    for (const { path, bytes } of image.files) {
      const topic = TOPIC_FILE.test(path) ? parseTopicDefinition(bytes) : undefined;
      if (topic?.ok === true) definitions.push(topic.value);
    }
  }
  return topologyOf(manifests, definitions);
}
