/** Runs what a simulated node recorded again in real isolates; what differs is a problem. */
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { LedgerMemory, MemoryLedgerStore } from "@vnes/driver-memory";
import { type CapsuleImage, replayShard, type Sandbox } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { StoredLedger } from "../history/ledger-history.ts";
import type { Built } from "./images.ts";

/** Ample: a busy machine must not look like another outcome. */
const LIMITS = { memoryMb: 64, turnMs: 5_000, cacheBytes: 8 * 1024 * 1024, effectBytes: 1024 * 1024 };
const SPEC = { language: "javascript", entry: "impl/main.js", zone: "system", limits: LIMITS } as const;

export interface Again {
  readonly turns: number;
  readonly problems: readonly string[];
}

/** One host for all, which lives as long as something is open in it: a process for each shard would take most of the time. */
const GROUP = "again";

export class Isolates {
  readonly #isolates: Sandbox = openHostSandbox(isolateExecutor);
  readonly #sandbox: Sandbox = {
    open: (spec) => this.#isolates.open({ ...spec, group: GROUP }),
    [Symbol.asyncDispose]: async () => undefined,
  };
  #keeper: Promise<unknown> | undefined;
  readonly #images: ReadonlyMap<string, CapsuleImage>;

  constructor({ images }: Built) {
    this.#images = new Map([...images.values()].map((image) => [image.hash, image]));
  }

  /** Every shard of every capsule, in isolates of their own. */
  async runAgain(stored: StoredLedger): Promise<Again> {
    const [image] = this.#images.values();
    if (image !== undefined)
      this.#keeper ??= this.#isolates.open({ instance: "keeper/0", image, group: GROUP, ...SPEC });
    await this.#keeper;
    const problems: string[] = [];
    let turns = 0;
    const whole = new LedgerMemory();
    for (const [shard, records] of stored) whole.shards.set(shard, [...records]);
    await using ledger = new MemoryLedgerStore(whole);
    for (const shard of await ledger.shards()) {
      if (shard.startsWith("topic/") || shard.startsWith("kernel/")) continue;
      const parts = { ledger, sandbox: this.#sandbox, digest: nodeDigest, shard };
      const report = await replayShard({
        ...parts,
        imageOf: async (hash) => this.#images.get(hash) as CapsuleImage,
        specOf: () => SPEC,
      });
      turns += report.turns;
      const { difference } = report;
      if (difference !== null)
        problems.push(
          `${shard} record ${difference.seq} (${difference.delivery}) is another in an isolate: ${difference.what}`,
        );
      else if (report.recordedHash !== report.replayedHash) problems.push(`${shard}: hashes differ`);
    }
    return { turns, problems };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#isolates[Symbol.asyncDispose]();
  }
}
