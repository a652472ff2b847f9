/**
 * Runs what a shard recorded again, in the real sandbox, and compares what comes out with what was recorded. Ends at the
 * first turn that differs, because everything after it would differ for its sake.
 *
 * Nothing is published, answered or written: effects are looked at and dropped. Turns before `from` are folded, not run.
 */
import type { Delivery } from "@vnes/schemas";
import type { CapsuleImage } from "../../admission/image.ts";
import { chainHash, hex } from "../../ledger/chain.ts";
import { decodeRecord, encodeRecord } from "../../ledger/record.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore, StoredRecord } from "../../ports/ledger-store.ts";
import type { Sandbox, SandboxSpec } from "../../ports/sandbox.ts";
import { replayErrors } from "../../replay/errors.ts";
import {
  type Difference,
  firstPlace,
  isRunAgain,
  isSameOutput,
  isStopped,
  outputOf,
} from "../../replay/output.ts";
import { type Ended, ReplayInstance } from "./replay-instance.ts";
import { ReplayReader } from "./replay-reader.ts";
import { ReplayState } from "./replay-state.ts";
import { ReplayTurn } from "./replay-turn.ts";
import { isHostDeath } from "../shard/host-trials.ts";
import { type RecoveredShard, recoverShardAt } from "../boot/recovery.ts";
import type { ShardHead } from "../ledger/shard-log.ts";
import { listSnapshots } from "../ledger/snapshot-reader.ts";

/** Records between two reports of progress. */
const PROGRESS_RECORDS = 1_024;

export interface ReplayParts {
  readonly ledger: LedgerStore;
  readonly sandbox: Sandbox;
  readonly digest: Digest;
  readonly shard: string;
  /** Rejects when it is gone: what was not kept cannot be run. */
  imageOf(hash: string): Promise<CapsuleImage>;
  /** How the image runs. Its deadline should be ample: a busy machine must not look like another outcome. */
  specOf(image: CapsuleImage): Pick<SandboxSpec, "language" | "entry" | "zone" | "limits" | "confinement">;
}

export interface ReplayOptions {
  /** Seq of the first record to run; default 1, or the oldest of a shard that was trimmed. */
  readonly from?: number;
  /** Seq of the last; default the last there is when the replay begins. */
  readonly to?: number;
  /** Runs this image in place of those that ran. */
  readonly against?: CapsuleImage;
  /** A new sandbox instance for every turn: nothing can be carried from one to the next but keys. */
  readonly fresh?: boolean;
  /** One turn at a time, so that the one that ends its host is known. Set by itself once a host has died. */
  readonly alone?: boolean;
  readonly onProgress?: (progress: ReplayProgress) => void;
  readonly signal?: AbortSignal;
}

export interface ReplayProgress {
  /** Seq of the last record looked at. */
  readonly seq: number;
  readonly to: number;
  readonly turns: number;
}

export interface ReplayReport {
  readonly shard: string;
  readonly from: number;
  readonly to: number;
  /** Turns that were run again. */
  readonly turns: number;
  /** Turns taken as recorded: what stopped them was not their own doing (R2). */
  readonly taken: number;
  /** How many of those ended in which code. */
  readonly takenAs: { readonly [code: string]: number };
  /** Images that ran, in order. */
  readonly images: readonly string[];
  /**
   * Where the shard's chain is behind the last turn that was run, as it was recorded and as it would be with what came again; hex.
   * It covers every output up to there, and what the turns were told.
   */
  readonly recordedHash: string;
  readonly replayedHash: string;
  readonly difference: Difference | null;
}

/** Rejects with `REPLAY_*`, `LEDGER_HASH_WRONG`, `LEDGER_RECORD_INVALID`, and what `imageOf` rejects with. */
export async function replayShard(parts: ReplayParts, options: ReplayOptions = {}): Promise<ReplayReport> {
  const last = await parts.ledger.lastSeq(parts.shard);
  const oldest = await oldestRunnable(parts);
  const { from = oldest, to = last } = options;
  if (from < 1 || from > to || to > last)
    throw replayErrors.create("REPLAY_RANGE_EMPTY", { shard: parts.shard, from, to, oldest, last });
  const base = await recoverShardAt(parts.ledger, parts.shard, from - 1, parts.digest);
  const replay = new ShardReplay(parts, options, base, from, to);
  try {
    return await replay.run();
  } catch (error) {
    if (!isHostDeath(error)) throw error;
    await replay.close();
    // Once more, a turn at a time: either it was the machine, or the turn that does it is known.
    if (options.alone !== true) return await replayShard(parts, { ...options, from, to, alone: true });
    const details = { shard: parts.shard, seq: replay.seq, problem: error.message };
    throw replayErrors.create("REPLAY_TURN_KILLED_HOST", details, error);
  } finally {
    await replay.close();
  }
}

/** Seq of the oldest record whose state before it can still be read. */
async function oldestRunnable({ ledger, shard }: ReplayParts): Promise<number> {
  if ((await ledger.firstSeq(shard)) <= 1) return 1;
  return ((await listSnapshots(ledger, shard)).at(-1)?.through ?? 0) + 1;
}

class ShardReplay {
  /** Of the record that was taken up last. */
  seq: number;
  readonly #parts: ReplayParts;
  readonly #options: ReplayOptions;
  readonly #from: number;
  readonly #to: number;
  readonly #reader: ReplayReader;
  readonly #head: ShardHead;
  readonly #instance: ReplayInstance;
  readonly #images: string[] = [];
  /** Of the record before the one that was taken up last. */
  #previous: Uint8Array;
  #recordedHash: Uint8Array;
  /** Once a turn has differed. */
  #replayedHash: Uint8Array | undefined;
  /** Hash of the image the records say ran; null before the first activation. */
  #recorded: string | null;
  #running: CapsuleImage | undefined;
  #turns = 0;
  #taken = 0;
  readonly #takenAs = new Map<string, number>();
  #difference: Difference | null = null;

  constructor(parts: ReplayParts, options: ReplayOptions, base: RecoveredShard, from: number, to: number) {
    this.#parts = parts;
    this.#options = options;
    this.#from = from;
    this.#to = to;
    this.seq = from - 1;
    const { ledger, shard, digest } = parts;
    this.#recorded = base.state.image;
    this.#head = base.head;
    this.#previous = base.head.hash;
    this.#recordedHash = base.head.hash;
    this.#reader = new ReplayReader(ledger, shard, digest);
    const state = new ReplayState(this.#reader, base);
    this.#instance = new ReplayInstance(parts.sandbox, state, (turn, result) => this.#compare(turn, result));
  }

  async run(): Promise<ReplayReport> {
    for await (const page of this.#reader.records(this.#head, this.#to, true)) {
      this.#options.signal?.throwIfAborted();
      for (const stored of page) {
        this.seq = stored.seq;
        const goesOn = this.#pushed(stored) ?? this.#step(stored);
        if (!(goesOn === true || (await goesOn))) return this.#report();
        this.#previous = stored.hash;
        if (stored.seq % PROGRESS_RECORDS === 0) this.#tell(stored.seq);
      }
    }
    await this.#instance.drain();
    return this.#report();
  }

  async close(): Promise<void> {
    await this.#instance.close();
  }

  /** A turn that can be cut out of its record, for the instance that is there: undefined when it is anything else. */
  #pushed(stored: StoredRecord): boolean | Promise<boolean> | undefined {
    const { fresh, alone } = this.#options;
    if (!this.#instance.isOpen || fresh === true || alone === true) return undefined;
    const turn = ReplayTurn.cut(stored, this.#previous);
    return turn === undefined ? undefined : this.#instance.push(turn);
  }

  /** False once a difference was found. */
  async #step(stored: StoredRecord): Promise<boolean> {
    const record = decodeRecord(stored.shard, stored.seq, stored.bytes);
    if (record.kind !== "turn" || !isRunAgain(record)) {
      // Taken in order: behind every turn before it.
      if (!(await this.#instance.drain())) return false;
      if (record.kind === "activation") {
        this.#recorded = record.image;
        if (this.#options.against === undefined) await this.#end();
      }
      if (record.kind === "turn" && record.outcome !== "ok") {
        this.#taken++;
        const code = record.outcome.failed;
        this.#takenAs.set(code, (this.#takenAs.get(code) ?? 0) + 1);
      }
      return true;
    }
    await this.#start();
    const delivery = await this.#reader.delivery(record);
    if (!(await this.#instance.push(ReplayTurn.decoded(stored, this.#previous, record, delivery))))
      return false;
    const { fresh, alone } = this.#options;
    if (fresh !== true && alone !== true) return true;
    const goOn = await this.#instance.drain();
    if (fresh === true) await this.#end();
    return goOn;
  }

  async #start(): Promise<void> {
    if (this.#instance.isOpen) return;
    const { shard, specOf } = this.#parts;
    const against = this.#options.against;
    if (this.#running === undefined || (against === undefined && this.#running.hash !== this.#recorded)) {
      this.#running = against ?? (await this.#recordedImage());
      this.#images.push(this.#running.hash);
    }
    const image = this.#running;
    // A host of its own: a turn that kills it takes nobody along.
    await this.#instance.open({ instance: shard, image, group: `replay/${shard}`, ...specOf(image) });
  }

  #recordedImage(): Promise<CapsuleImage> {
    const { shard, imageOf } = this.#parts;
    if (this.#recorded !== null) return imageOf(this.#recorded);
    const capsule = shard.slice(0, shard.lastIndexOf("/"));
    throw replayErrors.create("REPLAY_NO_ACTIVATION", { shard, capsule });
  }

  async #end(): Promise<void> {
    await this.#instance.close();
  }

  #compare(turn: ReplayTurn, result: Ended | undefined): boolean {
    const { shard } = this.#parts;
    const { seq } = turn;
    // Every turn before it was looked at.
    this.#reader.done(seq - 1);
    if (result !== undefined && isStopped(result) && result.kind === "failed") {
      const { code, message } = result;
      throw replayErrors.create("REPLAY_TURN_STOPPED", { shard, seq, code, problem: message });
    }
    this.#turns++;
    this.#recordedHash = turn.hash;
    if (result === undefined) return true;
    const { record, delivery } = turn;
    const replayed = outputOf(result, record);
    if (isSameOutput(record, replayed)) return true;
    const again = encodeRecord({ ...record, ...replayed });
    this.#replayedHash = chainHash(turn.previous, again, this.#parts.digest);
    const image = this.#running?.hash ?? "";
    const told = describe(delivery);
    this.#difference = { shard, seq, at: record.at, image, delivery: told, ...firstPlace(record, replayed) };
    return false;
  }

  #tell(seq: number): void {
    this.#options.onProgress?.({ seq, to: this.#to, turns: this.#turns });
  }

  #report(): ReplayReport {
    return {
      shard: this.#parts.shard,
      from: this.#from,
      to: this.#to,
      turns: this.#turns,
      taken: this.#taken,
      takenAs: Object.fromEntries(this.#takenAs),
      images: this.#images,
      recordedHash: hex(this.#recordedHash),
      replayedHash: hex(this.#replayedHash ?? this.#recordedHash),
      difference: this.#difference,
    };
  }
}

function describe(delivery: Delivery): string {
  switch (delivery.kind) {
    case "start":
      return "start";
    case "event":
      return `event ${delivery.topic}${delivery.seq === null ? "" : ` ${delivery.partition}:${delivery.seq}`}`;
    case "batch":
      return `batch ${delivery.topic} ${delivery.partition}:${delivery.events[0]?.seq ?? "-"} (${delivery.events.length})`;
    case "call":
      return `call ${delivery.capability}.${delivery.method}`;
    case "answer":
      return `answer ${delivery.tag}`;
    case "timer":
      return `timer ${delivery.id}`;
    case "expiry":
      return `expiry ${delivery.key}`;
  }
}
