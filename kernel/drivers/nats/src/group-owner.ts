/**
 * A ledger group this node owns: its claim, its messages on their way, its lease. What callers see of it is appends.
 *
 * O1. From the first message of somebody else's claim on, everything asked is refused: the group is lost for good.
 * O2. An idle owner writes a beat, so that its lease does not run out.
 * O3. A server that ends before what was read back from it has lost records; the group is not used any more.
 */
import { ledgerErrors, type NewRecord } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { AppendQueue } from "./append-queue.ts";
import { claimGroup, type Claimant } from "./claim.ts";
import { type Claim, encodeControl, type MessageKind } from "./control-message.ts";
import type { Entry } from "./frame.ts";
import type { Folded } from "./group-fold.ts";
import type { GroupView } from "./group-view.ts";
import { Lease } from "./lease.ts";
import { Pipeline, type Sent } from "./pipeline.ts";
import { RETRY_BUDGET_MS } from "./server-link.ts";
import { isSpaceCode } from "./streams.ts";

/** For the last beat and the release when a store is closed. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface Refusal {
  readonly code: number | undefined;
  readonly problem: string;
  /** Where the server's stream ends, when that is why. */
  readonly lastSeq: number | undefined;
}

export interface GroupOwnerParts {
  readonly view: GroupView;
  readonly claimant: Claimant;
  readonly partBytes: number;
  now(): number;
  send(group: string, message: Sent): void;
  onWait?(group: string, owner: Claim, ms: number): void;
}

export class GroupOwner {
  readonly view: GroupView;
  readonly #parts: GroupOwnerParts;
  readonly #pipeline: Pipeline;
  readonly #queue: AppendQueue;
  readonly #lease: Lease;
  #lost: VnesError | undefined;
  #progressAt: number;
  #isClaimed = false;
  #isWaitedFor = false;
  #refusal: Refusal | undefined;
  #shortSince: number | undefined;

  constructor(parts: GroupOwnerParts) {
    this.view = parts.view;
    this.#parts = parts;
    this.#progressAt = parts.now();
    const { boot, leaseMs } = parts.claimant;
    this.#lease = new Lease(leaseMs);
    const { view, now, partBytes } = parts;
    this.#pipeline = new Pipeline({
      boot,
      now,
      lastSeq: () => view.fold.lastSeq,
      send: (message) => parts.send(view.group, message),
      confirmed: (sentAt) => this.#confirmed(sentAt),
    });
    const head = (shard: string): number => view.fold.index.head(shard);
    this.#queue = new AppendQueue({ boot, partBytes, pipeline: this.#pipeline, head });
  }

  async claim(): Promise<void> {
    const { view, claimant, now, send, onWait } = this.#parts;
    const sentAt = await claimGroup({
      view,
      claimant,
      now,
      send: (data, expected, id) => send(view.group, { kind: "claim", data, expected, id, round: 0 }),
      ...(onWait === undefined ? {} : { onWait }),
    });
    this.#lease.confirm(sentAt);
    this.#isClaimed = true;
    view.onFolded((folded) => this.#folded(folded));
  }

  /** Why this node writes nothing more to the group. */
  get lost(): VnesError | undefined {
    return this.#lost ?? this.view.broken;
  }

  get isLeaseHeld(): boolean {
    return this.lost === undefined && this.#lease.isHeld(this.#parts.now());
  }

  get resent(): number {
    return this.#pipeline.resent;
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    if (this.lost !== undefined) return Promise.reject(this.#lossFor(shard, expectedSeq));
    this.#startWaiting();
    return this.#queue.append(shard, expectedSeq, records);
  }

  /** Appends entries that are no records of a turn. */
  write(entries: readonly Entry[]): Promise<void> {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    this.#startWaiting();
    return this.#queue.write(entries);
  }

  /** Resolves once the message was read back; rejects when the group is lost. */
  async control(kind: MessageKind, data: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (this.lost !== undefined) reject(this.lost);
      else this.#pipeline.pushControl(kind, data, resolve);
    });
  }

  refused(round: number, refusal: Refusal): void {
    this.#refusal = refusal;
    if (refusal.lastSeq !== undefined && refusal.lastSeq < this.view.fold.lastSeq)
      this.#serverIsShort(refusal.lastSeq);
    this.#pipeline.refused(round);
  }

  reconnected(): void {
    this.view.reconnected();
    this.#pipeline.reconnected();
  }

  tick(): void {
    this.view.tick();
    if (!this.#isClaimed) return;
    if (this.lost !== undefined) {
      this.#fail();
      return;
    }
    this.#pipeline.tick();
    const now = this.#parts.now();
    this.#isWaitedFor = this.#queue.isWaitedFor;
    if (this.#isWaitedFor && now - this.#progressAt > RETRY_BUDGET_MS) {
      this.#progressAt = now;
      this.#queue.unreachable(this.#unreachable());
    }
    if (this.#pipeline.isEmpty && this.#lease.isBeatDue(now)) this.#beat();
  }

  /** Waits for what was asked, then lets the group go, so that somebody else need not wait for the lease. */
  async close(): Promise<void> {
    this.#queue.flush();
    while (this.lost === undefined && this.#queue.isWaitedFor)
      await new Promise((resume) => setTimeout(resume, 5));
    if (this.#isClaimed && this.lost === undefined && this.#pipeline.isEmpty) {
      const { boot } = this.#parts.claimant;
      const data = encodeControl({ kind: "release", boot, number: this.#queue.number });
      const timeout = new Promise<void>((resume) => setTimeout(resume, CLOSE_TIMEOUT_MS).unref());
      await Promise.race([this.control("release", data).catch(() => undefined), timeout]);
    }
    this.view.stop();
  }

  #beat(): void {
    const { boot } = this.#parts.claimant;
    const data = encodeControl({ kind: "beat", boot, number: this.#queue.number });
    this.#pipeline.pushControl("beat", data, () => undefined);
  }

  #folded(folded: Folded): void {
    const { boot } = this.#parts.claimant;
    if (folded.type === "claimed") {
      const { node } = folded.claim;
      const owner = `node ${node}`;
      this.#lost ??= ledgerErrors.create("LEDGER_CLAIMED", { path: this.view.stream, owner });
      this.#fail();
      return;
    }
    if (this.#lost !== undefined) return;
    if (folded.type === "batch" && folded.boot === boot)
      this.#pipeline.folded({ kind: "batch", number: folded.number });
    else if (folded.type === "owner" && folded.boot === boot)
      this.#pipeline.folded({ kind: folded.kind, number: 0 });
    else this.#pipeline.folded(undefined);
  }

  #confirmed(sentAt: number): void {
    this.#progressAt = this.#parts.now();
    this.#refusal = undefined;
    this.#shortSince = undefined;
    this.#lease.confirm(sentAt);
    this.#queue.flushSoon();
  }

  /** Time runs from when somebody began to wait. */
  #startWaiting(): void {
    if (this.#isWaitedFor) return;
    this.#isWaitedFor = true;
    this.#progressAt = this.#parts.now();
  }

  /** A leader that was just elected may be behind for a moment. */
  #serverIsShort(lastSeq: number): void {
    const now = this.#parts.now();
    this.#shortSince ??= now;
    if (now - this.#shortSince < RETRY_BUDGET_MS) return;
    const { fold, stream } = this.view;
    const where = ` at message ${lastSeq + 1}`;
    const problem = `the server ends there, and message ${fold.lastSeq} was read from it before`;
    this.view.breakWith(ledgerErrors.create("LEDGER_FILE_CORRUPT", { path: stream, where, problem }));
  }

  #unreachable(): VnesError {
    const refusal = this.#refusal;
    if (refusal !== undefined && isSpaceCode(refusal.code))
      return ledgerErrors.create("LEDGER_DISK_FULL", { path: this.view.stream });
    return this.view.unreachable(refusal?.problem ?? "no server answers");
  }

  #fail(): void {
    this.#queue.fail((shard, expectedSeq) =>
      shard === undefined ? (this.lost as VnesError) : this.#lossFor(shard, expectedSeq),
    );
  }

  #lossFor(shard: string, expectedSeq: number): VnesError {
    const { lost } = this;
    if (lost?.code !== "LEDGER_CLAIMED") return lost as VnesError;
    const lastSeq = this.view.fold.index.head(shard);
    return ledgerErrors.create("LEDGER_SEQUENCE_CONFLICT", { shard, lastSeq, expectedSeq }, lost);
  }
}
