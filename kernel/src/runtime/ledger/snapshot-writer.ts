/**
 * Writes a frozen state down as chunks, in steps short enough that turns go on between them.
 *
 * W1. What is written is the frozen state, whatever the shard does meanwhile.
 * W2. A bucket without changes keeps its chunks; a chunk the last snapshot has is not put again.
 */
import { setImmediate as nextRound } from "node:timers/promises";
import type { ShardState } from "../../ledger/shard-state.ts";
import {
  bucketCount,
  encodeBucket,
  estimateBytes,
  type FrozenShard,
  mapOf,
  type Section,
  SECTION_NAMES,
  staleBuckets,
  type Walked,
} from "../../ledger/snapshot.ts";
import { bucketOf, type FrozenMap, type Tracked } from "../../ledger/tracked-map.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";

/** Names looked at, and bytes encoded, before the event loop gets its turn: each a few milliseconds. */
const STEP_NAMES = 8_192;
const STEP_BYTES = 512 * 1024;
/** Chunks on their way to the store: enough to share a commit, few enough to keep that commit short. */
const PUTS_IN_FLIGHT = 4;

/** Where the chunks of a state are, and how large each is. */
export interface WrittenState {
  readonly sections: { readonly [name: string]: Section };
  readonly sizes: ReadonlyMap<string, number>;
}

export interface Written extends WrittenState {
  readonly put: { readonly chunks: number; readonly bytes: number };
}

/** Rejects with what the store says; then nothing that was put is of any use. */
export async function writeState(
  parts: { readonly shard: string; readonly store: LedgerStore; readonly digest: Digest },
  state: ShardState,
  frozen: FrozenShard,
  before: WrittenState | undefined,
): Promise<Written> {
  const writing = new Writing(parts, before);
  const sections: { [name: string]: Section } = {};
  for (const name of SECTION_NAMES) {
    const map = frozen.sections.get(name);
    if (map !== undefined)
      sections[name] = await writing.section(mapOf(state, name), map, before?.sections[name]);
  }
  await writing.end();
  return { sections, sizes: writing.sizes, put: writing.put };
}

class Writing {
  readonly sizes = new Map<string, number>();
  readonly put = { chunks: 0, bytes: 0 };
  readonly #parts: Parameters<typeof writeState>[0];
  readonly #known: ReadonlyMap<string, number>;
  #inFlight: Promise<void>[] = [];
  #names = 0;
  #bytes = 0;

  constructor(parts: Parameters<typeof writeState>[0], before: WrittenState | undefined) {
    this.#parts = parts;
    this.#known = before?.sizes ?? new Map();
  }

  async section(
    live: Tracked<unknown>,
    frozen: FrozenMap<unknown>,
    before: Section | undefined,
  ): Promise<Section> {
    const { entries } = frozen;
    const isKnown = before !== undefined && before.entries > 0;
    const guess = isKnown ? (before.bytes / before.entries) * entries : estimateBytes(live);
    const count = bucketCount(guess, before);
    const stale = staleBuckets(frozen, count, before);
    const buckets: (readonly string[])[] = Array.from({ length: count }, (_, bucket) =>
      stale.has(bucket) ? [] : (before?.buckets[bucket] ?? []),
    );
    for (const [bucket, walked] of await this.#gather(live, frozen, count, stale)) {
      const chunks: string[] = [];
      for (const { name, bytes } of encodeBucket(walked, frozen, this.#parts.digest)) {
        chunks.push(name);
        await this.#keep(name, bytes);
      }
      buckets[bucket] = chunks;
    }
    let bytes = 0;
    for (const name of buckets.flat()) {
      const size = this.sizes.get(name) ?? this.#known.get(name) ?? 0;
      this.sizes.set(name, size);
      bytes += size;
    }
    return { entries, bytes, buckets };
  }

  async end(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** What is in the buckets that are stale. A live map may be walked while it changes; what left it, `changed` knows. */
  async #gather(
    live: Tracked<unknown>,
    frozen: FrozenMap<unknown>,
    count: number,
    stale: ReadonlySet<number>,
  ): Promise<ReadonlyMap<number, Walked[]>> {
    const walked = new Map<number, Walked[]>();
    if (stale.size === 0) return walked;
    for (const bucket of stale) walked.set(bucket, []);
    for (const entry of live) {
      walked.get(bucketOf(entry[0], count))?.push(entry);
      if (++this.#names % STEP_NAMES === 0) await nextRound();
    }
    for (const name of frozen.changed()) walked.get(bucketOf(name, count))?.push([name, undefined]);
    return walked;
  }

  async #keep(name: string, bytes: Uint8Array): Promise<void> {
    const isKnown = this.#known.has(name) || this.sizes.has(name);
    this.sizes.set(name, bytes.length);
    if (!isKnown) {
      this.put.chunks++;
      this.put.bytes += bytes.length;
      const { store, shard } = this.#parts;
      const putting = store.putChunk(shard, name, bytes);
      // Told to whoever waits for it below; until then it must not count as unhandled.
      putting.catch(() => undefined);
      this.#inFlight.push(putting);
    }
    this.#bytes += bytes.length;
    if (this.#inFlight.length >= PUTS_IN_FLIGHT) {
      const waiting = this.#inFlight;
      this.#inFlight = [];
      await Promise.all(waiting);
    } else if (this.#bytes >= STEP_BYTES) {
      this.#bytes = 0;
      await nextRound();
    }
  }
}
