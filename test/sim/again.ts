/** Runs what a simulated node recorded again; what comes out otherwise is a problem. */
import { LedgerMemory, MemoryLedgerStore, MemorySandbox } from "@vnes/driver-memory";
import { type CapsuleImage, replayShard, type Sandbox } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { StoredLedger } from "../history/ledger-history.ts";
import { BundleRealm } from "./bundles.ts";
import type { Built } from "./images.ts";

/** Ample: a busy machine must not look like another outcome. */
const LIMITS = { memoryMb: 64, turnMs: 5_000, cacheBytes: 8 * 1024 * 1024, effectBytes: 1024 * 1024 };
export const SPEC = {
  language: "javascript",
  entry: "impl/main.js",
  zone: "system",
  limits: LIMITS,
} as const;

export interface RanAgain {
  readonly turns: number;
  readonly problems: readonly string[];
}

/** In this process, under the prelude of the isolates: cheap enough for every run. */
export function againInRealm(built: Built): Again {
  const sandbox = new MemorySandbox(new BundleRealm().tableOf(built.images.keys()));
  return new Again(built, sandbox, "when it runs again");
}

export class Again {
  readonly #sandbox: Sandbox;
  readonly #where: string;
  readonly #images: ReadonlyMap<string, CapsuleImage>;

  /** `where`: what `sandbox` is, for people. */
  constructor({ images }: Built, sandbox: Sandbox, where: string) {
    this.#sandbox = sandbox;
    this.#where = where;
    this.#images = new Map([...images.values()].map((image) => [image.hash, image]));
  }

  /** Every shard of every capsule, from an empty state. */
  async run(stored: StoredLedger): Promise<RanAgain> {
    const problems: string[] = [];
    let turns = 0;
    const whole = new LedgerMemory();
    for (const [shard, records] of stored) whole.shards.set(shard, [...records]);
    await using ledger = new MemoryLedgerStore(whole);
    for (const shard of await ledger.shards()) {
      if (shard.startsWith("topic/") || shard.startsWith("kernel/")) continue;
      const report = await replayShard({
        ...{ ledger, sandbox: this.#sandbox, digest: nodeDigest, shard },
        imageOf: async (hash) => this.#images.get(hash) as CapsuleImage,
        specOf: () => SPEC,
      });
      turns += report.turns;
      const { difference } = report;
      if (difference !== null)
        problems.push(
          `${shard} record ${difference.seq} (${difference.delivery}) is another ${this.#where}: ${difference.what}`,
        );
      else if (report.recordedHash !== report.replayedHash) problems.push(`${shard}: hashes differ`);
    }
    return { turns, problems };
  }
}
