/**
 * What a snapshot of a shard is: chunks of its state, each named by its sha256, and the part of a record that names them.
 *
 * N1. A snapshot is the state after record `through`, exactly. Restored, and with the records after `through` folded in,
 *     it is what folding every record from the first gives.
 * N2. `head` is the chain hash of record `through`, so the chain can be checked from there on.
 * N3. A chunk is valid only under its own hash; a snapshot only once its record is durable.
 * N4. What did not change since the last snapshot keeps its chunks and is not written again.
 */
import type { Json } from "@vnes/schemas";
import type { Digest } from "../ports/digest.ts";
import { hex } from "./chain.ts";
import type { ShardState } from "./shard-state.ts";
import { type FrozenMap, MAX_BUCKETS, type Tracked } from "./tracked-map.ts";

type SectionName = {
  [Field in keyof ShardState]: ShardState[Field] extends Tracked<infer _> ? Field : never;
}[keyof ShardState];

/** Everything of a state that is no map, `seq` aside: that is `through`. */
type Scalars = Omit<ShardState, SectionName | "shard" | "seq">;

/** Every map of a state; the compiler refuses a state with a map that is not here. */
const SECTIONS: { readonly [Name in SectionName]: true } = {
  keys: true,
  versions: true,
  expiries: true,
  timers: true,
  pending: true,
  open: true,
  watermarks: true,
  positions: true,
  outbox: true,
  facts: true,
};

export const SECTION_NAMES: readonly SectionName[] = Object.keys(SECTIONS) as SectionName[];

/** How a map is spread over chunks: by bucket, the names of the chunks of that bucket in order. */
export interface Section {
  readonly entries: number;
  readonly bytes: number;
  readonly buckets: readonly (readonly string[])[];
}

/** An older snapshot that can still be read: its chunks, and every record after its `through`, are kept. */
export interface KeptSnapshot {
  /** Of the record that names its chunks. */
  readonly seq: number;
  readonly through: number;
  readonly at: number;
}

export interface Snapshot {
  readonly through: number;
  /** Hex. */
  readonly head: string;
  readonly scalars: Scalars;
  readonly sections: { readonly [name: string]: Section };
  /** By topic partition: no record after `through` refers to an event up to this seq, and none will be read again. */
  readonly floors: { readonly [partition: string]: number };
  /** Oldest first. */
  readonly kept: readonly KeptSnapshot[];
}

/** What a state was at one moment, while it goes on changing. */
export interface FrozenShard {
  readonly through: number;
  readonly scalars: Scalars;
  readonly sections: ReadonlyMap<SectionName, FrozenMap<unknown>>;
}

export function freezeShard(state: ShardState): FrozenShard {
  const sections = new Map(SECTION_NAMES.map((name) => [name, mapOf(state, name).freeze()]));
  const { seq, at, image, size } = state;
  return { through: seq, scalars: { at, image, size }, sections };
}

/** Ends the freeze. `isKept` false: nothing was written down, so all of it is still to be. */
export function thawShard(state: ShardState, frozen: FrozenShard, isKept: boolean): void {
  for (const [name, { dirty }] of frozen.sections) mapOf(state, name).thaw(isKept ? undefined : dirty);
}

export function mapOf(state: ShardState, name: SectionName): Tracked<unknown> {
  return state[name] as Tracked<unknown>;
}

// --- how a map is spread over chunks ---------------------------------------------------------------------------------

/** Large enough that naming it costs little, small enough to be written anew for one changed key. */
const CHUNK_BYTES = 64 * 1024;
/** A bucket larger than this is cut: one chunk is one step, and a step must not hold the event loop. */
const MAX_BUCKET_CHUNK_BYTES = 512 * 1024;
/** A section keeps its number of buckets while they are this many times too large or too small. */
const LARGER = 4;
const SMALLER = 8;

/** A power of two. A section that outgrew its buckets, or needs few of them, is spread anew, all of it. */
export function bucketCount(bytes: number, before: Section | undefined): number {
  const count = before?.buckets.length ?? 0;
  if (count > 0) {
    const each = bytes / count;
    const isLarge = each > CHUNK_BYTES * LARGER && count < MAX_BUCKETS;
    const isSmall = each < CHUNK_BYTES / SMALLER && count > 1;
    if (!isLarge && !isSmall) return count;
  }
  let buckets = 1;
  while (buckets < MAX_BUCKETS && bytes / buckets > CHUNK_BYTES) buckets *= 2;
  return buckets;
}

/** The buckets, of `count`, that must be written again. */
export function staleBuckets(
  frozen: FrozenMap<unknown>,
  count: number,
  before: Section | undefined,
): ReadonlySet<number> {
  if (before?.buckets.length !== count) return new Set(Array.from({ length: count }, (_, bucket) => bucket));
  const stale = new Set<number>();
  for (const bucket of frozen.dirty) stale.add(bucket & (count - 1));
  return stale;
}

/** About how many bytes the entries come to, judged by the first of them. */
export function estimateBytes(map: Tracked<unknown>): number {
  let bytes = 0;
  let seen = 0;
  for (const [name, value] of map) {
    bytes += name.length + JSON.stringify(value).length;
    if (++seen === SAMPLE) break;
  }
  return seen === 0 ? 0 : Math.ceil((bytes / seen) * map.size);
}

const SAMPLE = 128;

// --- chunks ----------------------------------------------------------------------------------------------------------

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export interface Chunk {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly entries: number;
}

/** A name, and what it held when it was walked over; nothing, when it is only known to have been there. */
export type Walked = readonly [name: string, value: unknown];

/** The chunks of one bucket: entries sorted by name, so that equal content has equal chunks. Names may repeat. */
export function* encodeBucket(
  walked: Walked[],
  frozen: FrozenMap<unknown>,
  digest: Digest,
): Generator<Chunk> {
  walked.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const entries: Walked[] = [];
  let last: string | undefined;
  for (const one of walked) {
    const [name, seen] = one;
    if (name === last) continue;
    last = name;
    const value = frozen.at(name, seen);
    if (value !== undefined) entries.push(value === seen ? one : [name, value]);
  }
  if (entries.length === 0) return;
  // Nearly every bucket is one chunk, and one text is made sooner than one for each of its entries.
  const whole = JSON.stringify(entries);
  if (whole.length <= MAX_BUCKET_CHUNK_BYTES) {
    yield chunkOf(whole, entries.length, digest);
    return;
  }
  let parts: string[] = [];
  let length = 0;
  for (const entry of entries) {
    const text = JSON.stringify(entry);
    if (length > 0 && length + text.length > MAX_BUCKET_CHUNK_BYTES) {
      yield chunkOf(`[${parts.join(",")}]`, parts.length, digest);
      parts = [];
      length = 0;
    }
    parts.push(text);
    length += text.length;
  }
  yield chunkOf(`[${parts.join(",")}]`, parts.length, digest);
}

function chunkOf(text: string, entries: number, digest: Digest): Chunk {
  const bytes = encoder.encode(text);
  return { name: chunkName(bytes, digest), bytes, entries };
}

export function chunkName(bytes: Uint8Array, digest: Digest): string {
  return hex(digest.sha256(bytes));
}

/** Undefined for bytes that do not carry their name's hash. */
export function decodeChunk(
  name: string,
  bytes: Uint8Array,
  digest: Digest,
): readonly (readonly [name: string, value: Json])[] | undefined {
  if (chunkName(bytes, digest) !== name) return undefined;
  return JSON.parse(decoder.decode(bytes)) as readonly (readonly [string, Json])[];
}

/** Every chunk a snapshot names. */
export function chunksOf({ sections }: Pick<Snapshot, "sections">): string[] {
  return Object.values(sections).flatMap(({ buckets }) => buckets.flat());
}

export function bytesOf({ sections }: Pick<Snapshot, "sections">): number {
  return Object.values(sections).reduce((sum, { bytes }) => sum + bytes, 0);
}
