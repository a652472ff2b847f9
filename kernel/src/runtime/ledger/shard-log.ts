/**
 * The writing end of one shard: gives records their chain hash, appends them, and keeps trying when the store says that
 * trying again may help (a full disk). Owns the shard's head; does not know what a record means.
 *
 * S1. Appends resolve in the order they were issued, each only once it is durable.
 * S2. After a failure that is worth retrying, the same bytes are appended again with the same expected seq.
 * S3. After any other failure every append, earlier issued or later, rejects: another owner has the shard.
 */
import { isVnesError, type VnesError } from "@vnes/schemas";
import { genesisHash } from "../../ledger/chain.ts";
import { chainRecord, type LedgerRecord, snapshotOf } from "../../ledger/record.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore, NewRecord } from "../../ports/ledger-store.ts";
import { type BackOff, delayMs } from "../shard/back-off.ts";

/** A full disk is freed by a person: look often enough to go on at once, seldom enough not to burn a core. */
const RETRY: BackOff = { firstMs: 20, maxMs: 1_000 };

export interface ShardHead {
  readonly seq: number;
  readonly hash: Uint8Array;
}

export interface ShardLogParts {
  readonly shard: string;
  readonly store: LedgerStore;
  readonly digest: Digest;
  readonly clock: Clock;
  /** The store cannot take records for now; undefined when it can again. */
  onStall(problem: VnesError | undefined): void;
}

interface Waiting {
  readonly expectedSeq: number;
  readonly records: readonly NewRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

export class ShardLog {
  readonly #parts: ShardLogParts;
  #hash: Uint8Array;
  #seq: number;
  #waiting: Waiting[] = [];
  #issue = 0;
  #attempt = 0;
  /** From a failure until the retry goes out: it takes along what was issued meanwhile, and what comes later follows it. */
  #pausing = false;
  #fatal: unknown;
  #durable: Promise<void> = Promise.resolve();
  #bytes = 0;
  #onDurable: (() => void) | undefined;

  constructor(parts: ShardLogParts, head: ShardHead | undefined) {
    this.#parts = parts;
    this.#seq = head?.seq ?? 0;
    this.#hash = head?.hash ?? genesisHash(parts.shard, parts.digest);
  }

  get shard(): string {
    return this.#parts.shard;
  }

  /** True when nothing that was issued still waits. */
  get isDurable(): boolean {
    return this.#waiting.length === 0;
  }

  /** Seq of the last record issued, durable or not yet. */
  get seq(): number {
    return this.#seq;
  }

  /** Hash of the last record issued. */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** Bytes of the records issued since the log was opened. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Calls back after each append that is durable. */
  onDurable(listener: () => void): void {
    this.#onDurable = listener;
  }

  /** Resolves once everything issued so far is durable; rejects when it never will be. */
  durable(): Promise<void> {
    return this.#durable;
  }

  /** Resolves once nothing issued so far is under way any more, kept or not. */
  settled(): Promise<void> {
    return this.#durable.catch(() => undefined);
  }

  /**
   * Resolves once the records are durable. Their seqs must follow on each other and on `seq`. `encoded` is told of each before this
   * returns: its chain hash and how many bytes it has.
   */
  append<Appended extends LedgerRecord>(
    records: readonly Appended[],
    encoded?: (record: Appended, hash: Uint8Array, bytes: number) => void,
  ): Promise<void> {
    if (this.#fatal !== undefined) return Promise.reject(this.#fatal);
    const expectedSeq = this.#seq;
    const made = records.map((record) => {
      if (record.seq !== this.#seq + 1) throw new Error(`seq ${record.seq} does not follow ${this.#seq}`);
      const made = chainRecord(this.#hash, record, this.#parts.digest);
      this.#hash = made.hash;
      this.#seq = record.seq;
      this.#bytes += made.bytes.length;
      encoded?.(record, made.hash, made.bytes.length);
      return snapshotOf(record) === undefined ? made : ({ ...made, snapshot: true } as const);
    });
    const done = new Promise<void>((resolve, reject) => {
      const waiting: Waiting = { expectedSeq, records: made, resolve, reject };
      this.#waiting.push(waiting);
      if (!this.#pausing) this.#send(waiting, this.#issue);
    });
    this.#durable = done;
    // Whoever appended deals with a failure; nobody need ask for `durable` as well.
    done.catch(() => undefined);
    return done;
  }

  /** Rejects what waits and everything after it: the node ends, and the store does not take records. */
  abandon(error: unknown): void {
    if (this.#waiting.length === 0) return;
    this.#issue++;
    this.#fatal = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.reject(error);
  }

  #send(waiting: Waiting, issue: number): void {
    const { store, shard } = this.#parts;
    store.append(shard, waiting.expectedSeq, waiting.records).then(
      () => {
        this.#waiting.shift();
        if (this.#attempt > 0 && issue === this.#issue) {
          this.#attempt = 0;
          this.#parts.onStall(undefined);
        }
        waiting.resolve();
        this.#onDurable?.();
      },
      (error: unknown) => this.#failed(error, issue),
    );
  }

  #failed(error: unknown, issue: number): void {
    // Later appends of the same issue fail with the first one (port rule 4); one decision is enough.
    if (issue !== this.#issue || this.#fatal !== undefined) return;
    this.#issue++;
    if (!isVnesError(error) || !error.retry) {
      this.#fatal = error;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) one.reject(error);
      return;
    }
    const delay = delayMs(RETRY, this.#attempt++);
    this.#pausing = true;
    this.#parts.onStall(error);
    const { clock } = this.#parts;
    clock.wakeAt(clock.now() + delay, () => {
      const next = this.#issue;
      this.#pausing = false;
      for (const waiting of [...this.#waiting]) this.#send(waiting, next);
    });
  }
}
