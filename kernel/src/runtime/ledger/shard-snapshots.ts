/**
 * The snapshots of one shard: when to take one, taking it, and dropping what it makes unnecessary.
 *
 * Owns what is known of the shard's snapshots; reads the state and the log of the shard, and adds records of its own to
 * the log. Knows nothing of turns.
 *
 * H1. Chunks are durable before the record that names them is appended; a trim comes after that record is durable.
 * H2. A snapshot that fails changes nothing: what it took is still to be written, and the shard goes on.
 */
import { hex } from "../../ledger/chain.ts";
import type { SnapshotRecord } from "../../ledger/record.ts";
import { type HistoryPolicy, keepSnapshots } from "../../ledger/retention.ts";
import { applyRecord, type ShardState } from "../../ledger/shard-state.ts";
import {
  bytesOf,
  chunksOf,
  freezeShard,
  type FrozenShard,
  type KeptSnapshot,
  type Snapshot,
  thawShard,
} from "../../ledger/snapshot.ts";
import { isSnapshotDue, RETRY_PART, type SnapshotPolicy } from "../../ledger/snapshot-policy.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Counters } from "../node/counters.ts";
import type { RecoveredShard } from "../boot/recovery.ts";
import type { ShardLog } from "./shard-log.ts";
import { readSnapshot } from "./snapshot-reader.ts";
import { type WrittenState, writeState } from "./snapshot-writer.ts";
import type { Turnstile } from "../shard/turnstile.ts";

export interface ShardSnapshotsParts {
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly store: LedgerStore;
  readonly digest: Digest;
  readonly counters: Counters;
  readonly policy: SnapshotPolicy;
  readonly history: HistoryPolicy;
  /** One snapshot at a time on a node: each holds what changes meanwhile in memory twice. */
  readonly turnstile: Turnstile;
  /** See `Snapshot.floors`; asked at the moment the state is frozen. */
  floors?(): Snapshot["floors"];
  /**
   * Of a partition, whose snapshots ride on its events (`ready`, `landed`): seq of the oldest event somebody may still
   * need, at most `through` + 1. Absent: snapshots are records of their own, and `history` decides.
   */
  oldestNeeded?(through: number): Promise<number>;
}

export class ShardSnapshots {
  readonly #parts: ShardSnapshotsParts;
  /** The newest state written down; named by a record, or about to be. */
  #written: WrittenState | undefined;
  /** Those that can be read, oldest first. */
  #snapshots: readonly KeptSnapshot[];
  readonly #details = new Map<number, Pick<Snapshot, "sections" | "floors">>();
  /** Where the newest one ends: what recovery would fold begins here. */
  #since: { readonly seq: number; readonly bytes: number };
  #notBefore = 0;
  #ready: Snapshot | undefined;
  #taking: Promise<void> | undefined;
  #closed = false;

  constructor(parts: ShardSnapshotsParts, recovered: RecoveredShard | undefined) {
    this.#parts = parts;
    this.#written = recovered?.written;
    this.#snapshots = recovered?.snapshots ?? [];
    const { records = 0, bytes = 0 } = recovered?.tail ?? {};
    this.#since = { seq: parts.log.seq - records, bytes: parts.log.bytes - bytes };
    parts.log.onDurable(() => this.#whenDurable());
  }

  /** Records that recovery would fold now. */
  get recordsSince(): number {
    return this.#parts.log.seq - this.#since.seq;
  }

  /** Its snapshots wait for the next event. */
  get isPartition(): boolean {
    return this.#parts.oldestNeeded !== undefined;
  }

  /** Resolves once the snapshot and the trim after it are done, or have failed and were counted; never rejects. */
  take(): Promise<void> {
    this.#taking ??= this.#parts.turnstile
      .enter(() => this.#take())
      .finally(() => {
        this.#taking = undefined;
      });
    return this.#taking;
  }

  /** Takes none from now on; resolves when the one under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#taking;
  }

  /** Of a partition: the snapshot its next event has to carry, given once. */
  ready(): Snapshot | undefined {
    const snapshot = this.#ready;
    this.#ready = undefined;
    return snapshot;
  }

  /** The event that carries it is durable. */
  landed(seq: number, snapshot: Snapshot): void {
    this.#snapshots = [placeOf(seq, snapshot)];
    void this.#parts.turnstile.enter(async () => {
      const { oldestNeeded } = this.#parts;
      await this.#trim(async () => (await oldestNeeded?.(snapshot.through)) ?? 1);
    });
  }

  /** `floors` of the snapshots history begins with and goes on from, oldest first; none when it begins with record 1. */
  async keptFloors(): Promise<readonly Snapshot["floors"][]> {
    const { store, state } = this.#parts;
    if ((await store.firstSeq(state.shard)) <= 1) return [];
    return await Promise.all(this.#snapshots.map(async (one) => (await this.#detail(one)).floors));
  }

  #whenDurable(): void {
    const { log, policy, state } = this.#parts;
    if (this.#closed || this.#taking !== undefined || this.#ready !== undefined) return;
    if (log.seq < this.#notBefore) return;
    const since = { records: this.recordsSince, bytes: log.bytes - this.#since.bytes };
    const held = this.#written === undefined ? state.size : bytesOf(this.#written);
    if (isSnapshotDue(since, held, policy)) void this.take();
  }

  async #take(): Promise<void> {
    const { state, log, policy, floors } = this.#parts;
    if (this.#closed || this.recordsSince === 0) return;
    const head = hex(log.hash);
    const frozen = freezeShard(state);
    const since = { seq: log.seq, bytes: log.bytes };
    const needed = floors?.() ?? {};
    try {
      const sections = await this.#write(frozen);
      this.#since = since;
      const { through, scalars } = frozen;
      await this.#name({ through, head, scalars, sections, floors: needed, kept: [] });
    } catch {
      if (this.#closed) return;
      this.#parts.counters.add("snapshot.failed");
      // Not at every record from now on: what made it fail takes a while to go away.
      this.#notBefore = log.seq + Math.ceil(policy.minRecords / RETRY_PART);
    }
  }

  async #write(frozen: FrozenShard): Promise<Snapshot["sections"]> {
    const { state, counters } = this.#parts;
    const parts = { ...this.#parts, shard: state.shard };
    let isKept = false;
    try {
      const { sections, sizes, put } = await writeState(parts, state, frozen, this.#written);
      this.#written = { sections, sizes };
      isKept = true;
      counters.add("snapshot.chunksPut", put.chunks);
      counters.add("snapshot.bytesPut", put.bytes);
      return sections;
    } finally {
      thawShard(state, frozen, isKept);
    }
  }

  /** Appends the record that makes the chunks a snapshot, or has it ready for the next event. */
  async #name(snapshot: Snapshot): Promise<void> {
    const { state, log, history, oldestNeeded, store, counters } = this.#parts;
    counters.add("snapshot.taken");
    if (oldestNeeded !== undefined) {
      this.#ready = snapshot;
      return;
    }
    const isTrimmed = (await store.firstSeq(state.shard)) > 1;
    const place = placeOf(state.seq + 1, snapshot);
    const { snapshots, firstNeeded } = keepSnapshots(this.#snapshots, place, isTrimmed, history);
    const kept = snapshots.filter((one) => one !== place);
    const record: SnapshotRecord = {
      v: 1,
      kind: "snapshot",
      seq: place.seq,
      at: state.at,
      snapshot: { ...snapshot, kept },
    };
    applyRecord(state, record);
    await log.append([record]);
    this.#details.set(place.seq, snapshot);
    this.#snapshots = snapshots;
    await this.#trim(async () => firstNeeded);
  }

  async #trim(firstNeeded: () => Promise<number>): Promise<void> {
    const { store, state, counters } = this.#parts;
    try {
      const before = await firstNeeded();
      const keep = new Set(this.#written?.sizes.keys());
      for (const one of this.#snapshots) for (const name of chunksOf(await this.#detail(one))) keep.add(name);
      for (const seq of this.#details.keys()) {
        if (!this.#snapshots.some((one) => one.seq === seq)) this.#details.delete(seq);
      }
      const { records, chunks } = await store.trim(state.shard, before, keep);
      counters.add("trim.records", records);
      counters.add("trim.chunks", chunks);
    } catch {
      // The next one drops what this one left.
      if (!this.#closed) counters.add("trim.failed");
    }
  }

  async #detail({ seq }: KeptSnapshot): Promise<Pick<Snapshot, "sections" | "floors">> {
    const { store, state } = this.#parts;
    const detail = this.#details.get(seq) ?? (await readSnapshot(store, state.shard, seq));
    this.#details.set(seq, detail);
    return detail;
  }
}

function placeOf(seq: number, { through, scalars }: Snapshot): KeptSnapshot {
  return { seq, through, at: scalars.at };
}
