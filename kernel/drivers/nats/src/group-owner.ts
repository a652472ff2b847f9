/**
 * A ledger group this node owns: its claim, its messages on their way, its lease. What callers see of it is appends.
 *
 * O1. From the first message of somebody else's claim on, everything asked is refused: the group is lost for good.
 * O2. An idle owner writes a beat, so that its lease does not run out.
 * O3. A server that ends before what was read back from it has lost records; the group is not used any more.
 * O4. When the server says that it has no room, nothing more is sent, and the group is claimed again under another boot
 *     before anything is: what was on its way can then never be kept later. Callers are refused once the server has refused
 *     the claim as well.
 */
import { randomBytes } from "node:crypto";
import { ledgerErrors, type NewRecord } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { claimGroup, type Claimant } from "./claim.ts";
import { type Claim, encodeControl, type MessageKind } from "./control-message.ts";
import type { Entry } from "./frame.ts";
import type { Folded } from "./group-fold.ts";
import type { GroupView } from "./group-view.ts";
import { Lease } from "./lease.ts";
import type { Sent } from "./pipeline.ts";
import { RETRY_BUDGET_MS } from "./server-link.ts";
import { isSpaceCode } from "./streams.ts";
import { Tenure } from "./tenure.ts";

/** For the last beat and the release when a store is closed. */
const CLOSE_TIMEOUT_MS = 2_000;
/** A server without room is asked for some as often as this, while callers wait to hear of it and while none does. */
const ASK_WAITED_FOR_MS = 50;
const ASK_IDLE_MS = 1_000;

export interface Refusal {
  readonly code: number | undefined;
  readonly problem: string;
  /** Where the server's stream ends, when that is why. */
  readonly lastSeq: number | undefined;
}

export interface GroupOwnerParts {
  readonly view: GroupView;
  readonly claimant: Claimant;
  /** What fits into a message of the server that is there now. */
  partBytes(): number;
  now(): number;
  send(group: string, message: Sent): void;
  onWait?(group: string, owner: Claim, ms: number): void;
}

/** The claim that is asked for while the server has no room. */
interface Reclaim {
  readonly boot: string;
  attempt: number;
  askedAt: number;
}

export class GroupOwner {
  readonly view: GroupView;
  readonly #parts: GroupOwnerParts;
  #tenure: Tenure;
  #reclaim: Reclaim | undefined;
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
    this.#tenure = this.#begin(boot);
  }

  /** `yields`: see `ClaimParts`. */
  async claim(yields: () => boolean): Promise<void> {
    const { view, claimant, now, send, onWait } = this.#parts;
    const sentAt = await claimGroup({
      view,
      claimant,
      now,
      yields,
      send: (data, expected, id) => send(view.group, { kind: "claim", data, expected, id, round: 0 }),
      ...(onWait === undefined ? {} : { onWait }),
    });
    this.#lease.confirm(sentAt);
    this.#isClaimed = true;
    view.onFolded((folded) => this.#folded(folded));
  }

  /** Names the claim in force. */
  get boot(): string {
    return this.#tenure.boot;
  }

  /** Why this node writes nothing more to the group. */
  get lost(): VnesError | undefined {
    return this.#lost ?? this.view.broken;
  }

  get isLeaseHeld(): boolean {
    return this.lost === undefined && this.#lease.isHeld(this.#parts.now());
  }

  get resent(): number {
    return this.#tenure.pipeline.resent;
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    if (this.lost !== undefined) return Promise.reject(this.#lossFor(shard, expectedSeq));
    this.#startWaiting();
    return this.#tenure.queue.append(shard, expectedSeq, records);
  }

  /** Appends entries that are no records of a turn. */
  write(entries: readonly Entry[]): Promise<void> {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    this.#startWaiting();
    return this.#tenure.queue.write(entries);
  }

  /** Resolves once the message was read back; rejects when the group is lost. */
  async control(kind: MessageKind, data: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (this.lost !== undefined) reject(this.lost);
      else this.#tenure.control(kind, data, resolve, reject);
    });
  }

  refused(round: number, refusal: Refusal): void {
    this.#refusal = refusal;
    const { code } = refusal;
    if (isSpaceCode(code) && this.#isClaimed && this.lost === undefined) this.#isFull(round);
    if (refusal.lastSeq !== undefined && refusal.lastSeq < this.view.fold.lastSeq)
      this.#serverIsShort(refusal.lastSeq);
    this.#tenure.pipeline.refused(round);
  }

  reconnected(): void {
    this.view.reconnected();
    this.#tenure.pipeline.reconnected();
  }

  tick(): void {
    this.view.tick();
    if (!this.#isClaimed) return;
    if (this.lost !== undefined) {
      this.#fail();
      return;
    }
    this.#tenure.pipeline.tick();
    const now = this.#parts.now();
    this.#isWaitedFor = this.#tenure.queue.isWaitedFor;
    if (this.#isWaitedFor && now - this.#progressAt > RETRY_BUDGET_MS) {
      this.#progressAt = now;
      this.#tenure.queue.unreachable(this.#unreachable());
    }
    if (this.#reclaim !== undefined) this.#askAgain(this.#reclaim);
    else if (this.#tenure.pipeline.isEmpty && this.#lease.isBeatDue(now)) this.#beat();
  }

  /** Waits for what was asked, then lets the group go, so that somebody else need not wait for the lease. */
  async close(): Promise<void> {
    this.#tenure.queue.flush();
    while (this.lost === undefined && this.#tenure.queue.isWaitedFor)
      await new Promise((resume) => setTimeout(resume, 5));
    if (
      this.#isClaimed &&
      this.lost === undefined &&
      this.#reclaim === undefined &&
      this.#tenure.pipeline.isEmpty
    ) {
      const { boot } = this;
      const data = encodeControl({ kind: "release", boot, number: this.#tenure.queue.number });
      const timeout = new Promise<void>((resume) => setTimeout(resume, CLOSE_TIMEOUT_MS).unref());
      await Promise.race([this.control("release", data).catch(() => undefined), timeout]);
    }
    this.view.stop();
  }

  #begin(boot: string): Tenure {
    const { view, now, partBytes, send } = this.#parts;
    return new Tenure({
      boot,
      partBytes,
      now,
      lastSeq: () => view.fold.lastSeq,
      head: (shard) => view.fold.index.head(shard),
      send: (message) => send(view.group, message),
      confirmed: (sentAt) => this.#confirmed(sentAt),
    });
  }

  /** `round`: negative when it was the claim that was refused; what was sent before it was then refused or is kept. */
  #isFull(round: number): void {
    if (this.#reclaim === undefined) {
      this.#tenure.pipeline.halt();
      this.#reclaim = { boot: randomBytes(8).toString("hex"), attempt: 0, askedAt: Number.NEGATIVE_INFINITY };
      this.#askAgain(this.#reclaim);
    } else if (round === -this.#reclaim.attempt) this.#tenure.refuse(this.#diskFull());
  }

  /** While somebody waits, who comes later is answered by a later attempt. */
  #askAgain(reclaim: Reclaim): void {
    const { now, send, claimant, view } = this.#parts;
    const every = this.#tenure.queue.isWaitedFor ? ASK_WAITED_FOR_MS : ASK_IDLE_MS;
    if (now() - reclaim.askedAt < every) return;
    reclaim.askedAt = now();
    const { boot } = reclaim;
    const attempt = ++reclaim.attempt;
    const data = encodeControl({ kind: "claim", ...claimant, boot });
    const expected = view.fold.lastSeq;
    send(view.group, { kind: "claim", data, expected, id: `${boot}.claim.${attempt}`, round: -attempt });
  }

  /** There is room again. */
  #goOn({ boot, askedAt }: Reclaim): void {
    const before = this.#tenure;
    // Those behind them would be out of order (port rule 4).
    if (before.queue.isAnswerDue) before.refuse(this.#diskFull());
    this.#reclaim = undefined;
    this.#tenure = this.#begin(boot);
    this.#tenure.queue.inherit(before.queue);
    this.#confirmed(askedAt);
  }

  #beat(): void {
    const { boot } = this;
    const data = encodeControl({ kind: "beat", boot, number: this.#tenure.queue.number });
    this.#tenure.pipeline.pushControl("beat", data, () => undefined);
  }

  #folded(folded: Folded): void {
    const { boot } = this;
    if (folded.type === "claimed") {
      if (folded.claim.boot === this.#reclaim?.boot) {
        this.#goOn(this.#reclaim);
        return;
      }
      const { node } = folded.claim;
      const owner = `node ${node}`;
      this.#lost ??= ledgerErrors.create("LEDGER_CLAIMED", { path: this.view.stream, owner });
      this.#fail();
      return;
    }
    if (this.#lost !== undefined) return;
    if (folded.type === "batch" && folded.boot === boot)
      this.#tenure.pipeline.folded({ kind: "batch", number: folded.number });
    else if (folded.type === "owner" && folded.boot === boot)
      this.#tenure.pipeline.folded({ kind: folded.kind, number: 0 });
    else this.#tenure.pipeline.folded(undefined);
  }

  #confirmed(sentAt: number): void {
    this.#progressAt = this.#parts.now();
    this.#refusal = undefined;
    this.#shortSince = undefined;
    this.#lease.confirm(sentAt);
    this.#tenure.queue.flushSoon();
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
    if (refusal !== undefined && isSpaceCode(refusal.code)) return this.#diskFull();
    return this.view.unreachable(refusal?.problem ?? "no server answers");
  }

  #diskFull(): VnesError {
    return ledgerErrors.create("LEDGER_DISK_FULL", { path: this.view.stream });
  }

  #fail(): void {
    this.#tenure.queue.fail((shard, expectedSeq) =>
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
