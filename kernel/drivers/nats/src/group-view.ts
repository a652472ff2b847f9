/**
 * One ledger group as any node can see it: follows the stream, folds it, and serves records. Whether this node also owns
 * the group is the business of `GroupOwner`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { StreamInfo } from "@nats-io/jetstream";
import { ledgerErrors, type NewRecord, type StoredRecord } from "@vnes/kernel";
import { isVnesError, type VnesError } from "@vnes/schemas";
import { busErrors } from "./bus-errors.ts";
import { decodeControl } from "./control-message.ts";
import { decodeEntries, decodeFrame, type Entry } from "./frame.ts";
import { type Folded, GroupFold, type StreamMessage } from "./group-fold.ts";
import { GroupReader } from "./group-reader.ts";
import { problemOf, retried, RETRY_BUDGET_MS, type ServerLink } from "./server-link.ts";
import type { RunPlace } from "./shard-index.ts";
import { apiCode, ensureStream, ledgerConfig, ledgerSubject } from "./streams.ts";

/** Batches fetched at the same time for one page. */
const FETCHES_AT_ONCE = 32;
const NO_MESSAGE = 10037;
/** Together as long as a follower that applies first can be ahead of its leader. */
const PURGE_CHECKS = 10;
const PURGE_CHECK_MS = 200;

export type FoldListener = (folded: Folded, message: StreamMessage) => void;

export class GroupView {
  readonly group: string;
  readonly stream: string;
  readonly #link: ServerLink;
  readonly #reader: GroupReader;
  /** Parts of the batches that have several, by the sequence of the last. */
  readonly #parts = new Map<number, readonly number[]>();
  readonly #listeners = new Set<FoldListener>();
  #fold: GroupFold;
  #purgedFrom = 0;
  /** Met while reading, and not yet known to be real. */
  #damage: VnesError | undefined;
  #broken: VnesError | undefined;
  #isOpen = false;
  #wake: (() => void) | undefined;

  constructor(link: ServerLink, group: string) {
    this.group = group;
    this.#link = link;
    this.stream = ledgerConfig(link.namespace, group, link.replicas).name;
    this.#fold = new GroupFold(this.stream, 0);
    const { connection } = link.bus;
    this.#reader = new GroupReader({
      connection,
      jsm: link.jsm,
      stream: this.stream,
      onMessage: (message) => this.#receive(message),
    });
  }

  get fold(): GroupFold {
    return this.#fold;
  }

  /** What makes this group unusable. */
  get broken(): VnesError | undefined {
    return this.#broken;
  }

  serverNow(): number | undefined {
    return this.#reader.serverNow();
  }

  /** Makes the stream if need be and reads all of it. */
  async open(): Promise<void> {
    const { bus, jsm, namespace, replicas } = this.#link;
    const wanted = ledgerConfig(namespace, this.group, replicas);
    await ensureStream(jsm, bus.connection.getServer(), wanted);
    await this.#readAll();
    this.#isOpen = true;
  }

  onFolded(listener: FoldListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reconnected(): void {
    this.#reader.restart();
  }

  tick(): void {
    this.#reader.tick();
  }

  /** Who waits for a message waits no longer. */
  stop(): void {
    this.#listeners.clear();
    this.breakWith(ledgerErrors.create("LEDGER_CLOSED", { path: this.stream }));
  }

  /** Nothing more can be known of this group: every reader and writer of it is told so. */
  breakWith(error: VnesError): void {
    this.#broken ??= error;
    this.#reader.stop();
    this.#wake?.();
  }

  async read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]> {
    if (limit <= 0) return [];
    this.#assertWhole();
    for (let isAgain = false; ; isAgain = true) {
      const places = this.#fold.index.runs(shard, from, limit);
      try {
        const pages = await this.#entriesAt(places);
        return recordsOf(shard, places, pages, Math.max(from, this.#fold.index.first(shard)), limit);
      } catch (error) {
        // A trim beside this read moved what was to be read.
        if (isAgain || !isVnesError(error) || error.code !== "LEDGER_FILE_CORRUPT") throw error;
      }
    }
  }

  async sizeBytes(): Promise<number> {
    return (await this.#info()).state.bytes;
  }

  async #entriesAt(places: readonly RunPlace[]): Promise<readonly (readonly Entry[])[]> {
    const pages: (readonly Entry[])[] = [];
    for (let start = 0; start < places.length; start += FETCHES_AT_ONCE) {
      const some = places.slice(start, start + FETCHES_AT_ONCE);
      pages.push(...(await Promise.all(some.map(async ({ at }) => await this.#entries(at)))));
    }
    return pages;
  }

  async #entries(at: number): Promise<readonly Entry[]> {
    const { cache } = this.#link;
    const cached = cache.get(this.stream, at);
    if (cached !== undefined) return cached;
    const parts = this.#parts.get(at) ?? [at];
    const bodies = await Promise.all(parts.map(async (seq) => await this.#body(seq)));
    const body = Buffer.concat(bodies);
    const entries = decodeEntries(body);
    if (entries === undefined) throw this.#damaged(at, "it cannot be read");
    cache.add(this.stream, at, entries, body.length);
    return entries;
  }

  async #body(seq: number): Promise<Uint8Array> {
    const { jsm } = this.#link;
    let data: Uint8Array | undefined;
    try {
      // From the leader: a copy that lags behind may not have it yet.
      const isFinal = (error: unknown): boolean => apiCode(error) === NO_MESSAGE;
      data = (await retried(async () => await jsm.streams.getMessage(this.stream, { seq }), isFinal))?.data;
    } catch (error) {
      if (apiCode(error) !== NO_MESSAGE) throw this.unreachable(problemOf(error), error);
    }
    if (data === undefined) throw this.#damaged(seq, "it is missing");
    const frame = decodeFrame(data);
    if (typeof frame === "string") throw this.#damaged(seq, frame);
    return frame.body;
  }

  /** Stream sequence of the first message of the batch that ends at `at`. */
  startOf(at: number): number {
    return this.#parts.get(at)?.[0] ?? at;
  }

  unreachable(problem: string, cause?: unknown): VnesError {
    const details = { path: this.stream, seconds: RETRY_BUDGET_MS / 1_000, problem };
    return ledgerErrors.create("LEDGER_UNREACHABLE", details, cause);
  }

  async #askPurgedFrom(): Promise<number> {
    const { jsm, namespace } = this.#link;
    const subject = ledgerSubject(namespace, this.group, "purge");
    const isFinal = (error: unknown): boolean => apiCode(error) === NO_MESSAGE;
    try {
      const ask = async () => await jsm.streams.getMessage(this.stream, { last_by_subj: subject });
      const last = await retried(ask, isFinal);
      if (last === null) return 0;
      const message = decodeControl("purge", last.data);
      if (typeof message === "string") throw this.#damaged(last.seq, message);
      return message.kind === "purge" ? message.from : 0;
    } catch (error) {
      if (isFinal(error)) return 0;
      throw isVnesError(error) ? error : this.unreachable(problemOf(error), error);
    }
  }

  /**
   * What was purged looks like damage to who does not know yet from where on messages count, and right after a purge the
   * leader may not know it either: it may apply later than the copy a reader reads from.
   */
  async #readAll(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#purgedFrom = await this.#askPurgedFrom();
      await this.#reader.halt();
      this.#fold = new GroupFold(this.stream, this.#purgedFrom);
      this.#damage = undefined;
      await this.#asked(async () => await this.#reader.start(1));
      await this.#caughtUp(await this.#info());
      if (this.#damage === undefined) return;
      if (attempt === PURGE_CHECKS) {
        this.breakWith(this.#damage);
        throw this.#damage;
      }
      await sleep(PURGE_CHECK_MS);
    }
  }

  /** Damage that was met while following: real, unless messages were purged that were not read yet. */
  async #mend(damage: VnesError): Promise<void> {
    try {
      if ((await this.#askPurgedFrom()) > this.#purgedFrom) await this.#readAll();
      else this.breakWith(damage);
    } catch (error) {
      this.breakWith(isVnesError(error) ? error : damage);
    }
  }

  async #info(): Promise<StreamInfo> {
    return await this.#asked(async () => await this.#link.jsm.streams.info(this.stream));
  }

  /** A leader that dies while it is asked answers nothing; the next one does. */
  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await retried(ask, isVnesError);
    } catch (error) {
      throw isVnesError(error) ? error : this.unreachable(problemOf(error), error);
    }
  }

  async #caughtUp({ state }: StreamInfo): Promise<void> {
    // Claims are never removed, so no ledger that was ever used is empty.
    if (state.messages === 0 && state.last_seq > 0)
      throw this.#damaged(state.last_seq, "all its messages were removed");
    const target = state.last_seq;
    while (this.#fold.lastSeq < target && this.#damage === undefined) {
      const before = this.#fold.lastSeq;
      await this.nextMessage(RETRY_BUDGET_MS);
      if (this.#damage !== undefined) return;
      if (this.#fold.lastSeq === before) {
        if (await this.#isMissing(target)) throw this.#damaged(target, "it is missing");
        const problem = `reading it stopped at message ${before} of ${target}`;
        throw busErrors.create("BUS_STREAM_UNAVAILABLE", { stream: this.stream, problem });
      }
    }
  }

  /** The last message of a stream is never removed: what replaces or removes others comes after them. */
  async #isMissing(last: number): Promise<boolean> {
    try {
      return (await this.#link.jsm.streams.getMessage(this.stream, { seq: last })) === null;
    } catch (error) {
      return apiCode(error) === NO_MESSAGE;
    }
  }

  /** Resolves when something was folded or the time is over; rejects when the group is broken. */
  async nextMessage(withinMs: number): Promise<void> {
    const before = this.#fold.lastSeq;
    const deadline = performance.now() + withinMs;
    const isSame = (): boolean => this.#fold.lastSeq === before && this.#damage === undefined;
    while (isSame() && this.#broken === undefined && performance.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(deadline - performance.now(), 1));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#assertWhole();
  }

  #receive(message: StreamMessage): void {
    if (this.#broken !== undefined || this.#damage !== undefined) return;
    let folded: Folded;
    try {
      folded = this.#fold.fold(message);
    } catch (error) {
      // Thrown here, it would end the connection.
      const details = { path: this.stream, problem: problemOf(error) };
      const damage = isVnesError(error) ? error : ledgerErrors.create("LEDGER_IO_FAILED", details, error);
      this.#damage = damage;
      if (this.#isOpen) void this.#mend(damage);
      this.#wake?.();
      return;
    }
    if (folded.type === "batch" && folded.entries.length > 0) {
      const { parts, entries, size } = folded;
      if (parts.length > 1) this.#parts.set(message.seq, parts);
      this.#link.cache.add(this.stream, message.seq, entries, size);
    }
    for (const listener of this.#listeners) listener(folded, message);
    this.#wake?.();
  }

  #assertWhole(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  #damaged(seq: number, problem: string): VnesError {
    return ledgerErrors.create("LEDGER_FILE_CORRUPT", {
      path: this.stream,
      where: ` at message ${seq}`,
      problem,
    });
  }
}

function recordsOf(
  shard: string,
  places: readonly RunPlace[],
  pages: readonly (readonly Entry[])[],
  from: number,
  limit: number,
): readonly StoredRecord[] {
  const records: StoredRecord[] = [];
  places.forEach(({ end }, index) => {
    for (const entry of pages[index] as readonly Entry[]) {
      if (entry.shard !== shard || entry.kind === "trim") continue;
      entry.records.forEach(({ bytes, hash }: NewRecord, offset) => {
        const seq = entry.seq + offset;
        if (seq >= from && seq < Math.min(end, from + limit)) records.push({ shard, seq, bytes, hash });
      });
    }
  });
  return records;
}
