/**
 * The snapshots of all shards of a node, and what they let topics drop.
 *
 * Owns one `ShardSnapshots` a shard, and knows which shard still needs which events.
 *
 * E1. An event is dropped only when its topic's retention gives it up, every subscriber's turn for it is durable, and no
 *     kept record refers to it. Shards of capsules that are not loaded count as they were left. In a cluster nothing is
 *     dropped: what shards of other nodes have read is not known here.
 */
import type { TopicDefinition } from "@vnes/schemas";
import { HISTORY_POLICY, type HistoryPolicy } from "../../ledger/retention.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Snapshot } from "../../ledger/snapshot.ts";
import { SHUTDOWN_MIN_RECORDS, SNAPSHOT_POLICY, type SnapshotPolicy } from "../../ledger/snapshot-policy.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Counters } from "../node/counters.ts";
import { lastEventBefore } from "../topics/event-age.ts";
import type { NodeParts } from "../node/parts.ts";
import type { RecoveredShard } from "../boot/recovery.ts";
import type { ShardLog } from "./shard-log.ts";
import { ShardSnapshots } from "./shard-snapshots.ts";
import { readSnapshot } from "./snapshot-reader.ts";
import { Turnstile } from "../shard/turnstile.ts";

/** For the snapshots of a clean end, all together: a person waits. */
const SHUTDOWN_PATIENCE_MS = 1_000;

export interface NodeSnapshotsParts {
  readonly store: LedgerStore;
  readonly digest: Digest;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly policy: SnapshotPolicy;
  readonly history: HistoryPolicy;
  readonly recovered: ReadonlyMap<string, RecoveredShard>;
  /** No shard of another node reads this one's topics. */
  readonly isAlone: boolean;
}

interface Reader {
  readonly positions: ReadonlyMap<string, number>;
  /** By partition subscribed to: every event up to this seq has its turn, durably or issued before what is frozen now. */
  consumed(): Snapshot["floors"];
}

export class NodeSnapshots {
  readonly #parts: NodeSnapshotsParts;
  readonly #shards = new Map<string, ShardSnapshots>();
  readonly #readers = new Map<string, Reader>();
  readonly #turnstile = new Turnstile();

  constructor(parts: NodeSnapshotsParts) {
    this.#parts = parts;
  }

  /** Of a capsule's shard, or the kernel's. */
  addShard(state: ShardState, log: ShardLog): void {
    const floors = (): Snapshot["floors"] => this.#readers.get(state.shard)?.consumed() ?? {};
    this.#add(state, log, { floors });
  }

  addPartition(state: ShardState, log: ShardLog, retention: TopicDefinition["retention"]): ShardSnapshots {
    const oldestNeeded = (through: number): Promise<number> =>
      this.#oldestNeeded(state, log.seq, retention, through);
    return this.#add(state, log, { oldestNeeded });
  }

  /** Tells what a shard that was added has consumed. */
  addReader(shard: string, reader: Reader): void {
    this.#readers.set(shard, reader);
  }

  /** Records that a boot would fold now. */
  get recordsSince(): number {
    let records = 0;
    for (const shard of this.#shards.values()) records += shard.recordsSince;
    return records;
  }

  /**
   * At a clean end: spares the next boot what it would fold, as far as there is time; then no snapshot is taken any more. One that
   * a store does not take is left to fail when the store is closed.
   */
  async end(isWorthIt: boolean): Promise<void> {
    const { clock } = this.#parts;
    const late = Promise.withResolvers<void>();
    const cancel = clock.wakeAt(clock.now() + SHUTDOWN_PATIENCE_MS, late.resolve);
    if (isWorthIt) await Promise.race([this.#takeLast(), late.promise]);
    await Promise.race([Promise.all([...this.#shards.values()].map((shard) => shard.close())), late.promise]);
    cancel();
  }

  async #takeLast(): Promise<void> {
    for (const shard of this.#shards.values()) {
      // A topic's snapshot would need one more event.
      if (!shard.isPartition && shard.recordsSince >= SHUTDOWN_MIN_RECORDS) await shard.take();
    }
  }

  #add(
    state: ShardState,
    log: ShardLog,
    more: Pick<ConstructorParameters<typeof ShardSnapshots>[0], "floors" | "oldestNeeded">,
  ): ShardSnapshots {
    const { store, digest, counters, policy, history, recovered } = this.#parts;
    const parts = { state, log, store, digest, counters, policy, history, turnstile: this.#turnstile };
    const snapshots = new ShardSnapshots({ ...parts, ...more }, recovered.get(state.shard));
    this.#shards.set(state.shard, snapshots);
    return snapshots;
  }

  async #oldestNeeded(
    { shard, at }: ShardState,
    last: number,
    { max_events: maxEvents, max_age_ms: maxAgeMs }: TopicDefinition["retention"],
    through: number,
  ): Promise<number> {
    const { store, isAlone } = this.#parts;
    if (!isAlone) return 1;
    let given = maxEvents === undefined ? 0 : last - maxEvents;
    if (maxAgeMs !== undefined)
      given = Math.max(given, await lastEventBefore(store, shard, last, at - maxAgeMs));
    if (given <= 0) return 1;
    return Math.min(given, through, await this.#floor(shard)) + 1;
  }

  /** The last event of a partition nobody needs; E1. */
  async #floor(partition: string): Promise<number> {
    let floor = Number.POSITIVE_INFINITY;
    for (const [shard, { state }] of this.#parts.recovered) {
      if (!this.#shards.has(shard)) floor = Math.min(floor, await this.#dormantFloor(state, partition));
    }
    for (const [shard, { positions, consumed }] of this.#readers) {
      const kept = await this.#shards.get(shard)?.keptFloors();
      floor = Math.min(floor, consumed()[partition] ?? Number.POSITIVE_INFINITY);
      floor = Math.min(floor, referenceFloor(kept, positions, partition));
    }
    return floor;
  }

  async #dormantFloor({ shard, positions }: ShardState, partition: string): Promise<number> {
    const { store, recovered } = this.#parts;
    if (!positions.has(partition)) return Number.POSITIVE_INFINITY;
    const kept: Snapshot["floors"][] = [];
    if ((await store.firstSeq(shard)) > 1) {
      for (const { seq } of recovered.get(shard)?.snapshots ?? [])
        kept.push((await readSnapshot(store, shard, seq)).floors);
    }
    return referenceFloor(kept, positions, partition);
  }
}

/** `kept`: of the snapshots a shard's history has, oldest first; empty when it goes back to the first record. */
function referenceFloor(
  kept: readonly Snapshot["floors"][] | undefined,
  positions: ReadonlyMap<string, number>,
  partition: string,
): number {
  // Before the first event a record took there is nothing to keep; without a snapshot nobody knows which that was.
  const unknown = positions.has(partition) ? 0 : Number.POSITIVE_INFINITY;
  const [base] = kept ?? [];
  const floors = (kept ?? []).flatMap((one) => one[partition] ?? []);
  return Math.min(base?.[partition] ?? unknown, ...floors);
}

export function openNodeSnapshots(
  { ledger: store, digest, clock, policy: { retention }, snapshots, cluster }: NodeParts,
  counters: Counters,
  recovered: ReadonlyMap<string, RecoveredShard>,
): NodeSnapshots {
  const history = {
    maxRecords: retention?.history_records ?? HISTORY_POLICY.maxRecords,
    maxAgeMs: retention?.history_age_ms ?? HISTORY_POLICY.maxAgeMs,
  };
  const policy = snapshots ?? SNAPSHOT_POLICY;
  const isAlone = cluster === undefined;
  return new NodeSnapshots({ store, digest, clock, counters, policy, history, recovered, isAlone });
}
