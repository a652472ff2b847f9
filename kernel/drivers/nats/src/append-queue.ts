/**
 * Appends to the shards of one group: puts those of one round of the event loop into a batch, hands batches to the
 * pipeline, and answers the callers once a batch is confirmed. Owns the heads the shards will have.
 *
 * Q1. Callers of a shard are answered in the order they asked; a refusal waits for what was asked before it.
 * Q2. From a refusal until it was answered, everything else asked of that shard is refused with it.
 * Q3. Callers who waited too long are told `LEDGER_UNREACHABLE`. What was sent stays on its way, in doubt: the same append
 *     asked again is answered when that is confirmed, and is not written twice.
 * Q4. When the claim is over, the queue of the next one goes on with who waits, and knows what was kept after its caller
 *     had been refused.
 */
import { ledgerErrors, type NewRecord } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { appendSize, cutBody, encodeEntries, encodeFrame, type Entry } from "./frame.ts";
import type { Pipeline } from "./pipeline.ts";

/** Past it a caller is told to come again: the server takes less than is asked for. */
const MAX_WAITING_BYTES: number = 64 * 1024 * 1024;

/** With so many batches on their way a small one waits for company: messages cost more than the records in them. */
const EAGER_BATCHES = 2;
/** A batch that large goes at once, as far as there is room. */
const LARGE_BATCH_BYTES: number = 32 * 1024;

interface Append {
  readonly shard: string;
  readonly expectedSeq: number;
  readonly records: readonly NewRecord[];
  readonly size: number;
  resolve(seq: number): void;
  reject(error: unknown): void;
}

/** Entries that are no appends: what is carried or trimmed. */
interface Chore {
  readonly entries: readonly Entry[];
  readonly size: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface Answer {
  /** Undefined: refused with `error`. */
  readonly kept: { readonly append: Append; readonly seq: number } | undefined;
  readonly error: VnesError | undefined;
  give(): void;
  reject(error: unknown): void;
}

interface Batch {
  answers: Answer[];
  readonly refused: Set<string>;
  isConfirmed: boolean;
}

interface Doubt {
  readonly append: Append;
  readonly seq: number;
  readonly batch: Batch;
}

export interface AppendQueueParts {
  readonly boot: string;
  readonly pipeline: Pipeline;
  /** Bytes of a batch, and of a part of a larger one. */
  partBytes(): number;
  /** Seq of the last confirmed record of a shard. */
  head(shard: string): number;
}

export class AppendQueue {
  readonly #parts: AppendQueueParts;
  readonly #heads = new Map<string, number>();
  readonly #refusing = new Map<string, VnesError>();
  readonly #doubts = new Map<string, Doubt[]>();
  readonly #batches: Batch[] = [];
  #waiting: (Append | Chore)[] = [];
  #waitingBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #number = 1;

  constructor(parts: AppendQueueParts) {
    this.#parts = parts;
  }

  /** True when somebody waits for an answer. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0 || this.#batches.some(({ answers }) => answers.length > 0);
  }

  /** Number of the next message. */
  get number(): number {
    return this.#number;
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    const size = appendSize(shard, records);
    return new Promise<number>((resolve, reject) => {
      this.#add({ shard, expectedSeq, records, size, resolve, reject });
    });
  }

  write(entries: readonly Entry[]): Promise<void> {
    const size = entries.reduce(
      (sum, entry) => sum + appendSize(entry.shard, entry.kind === "trim" ? [] : entry.records),
      0,
    );
    return new Promise<void>((resolve, reject) => this.#add({ entries, size, resolve, reject }));
  }

  /** Answers everybody who waits; what was sent stays in doubt. */
  unreachable(error: VnesError): void {
    const batches = this.#batches.map((batch) => ({ batch, answers: batch.answers.splice(0) }));
    const waiting = this.#takeWaiting();
    this.#refusing.clear();
    for (const { batch, answers } of batches) {
      batch.refused.clear();
      for (const { kept, reject, error: own } of answers) {
        if (kept !== undefined) {
          const doubts = this.#doubts.get(kept.append.shard) ?? [];
          doubts.push({ ...kept, batch });
          this.#doubts.set(kept.append.shard, doubts);
        }
        reject(own ?? error);
      }
    }
    for (const one of waiting) one.reject(error);
  }

  /** True when somebody waits for what was sent. */
  get isAnswerDue(): boolean {
    return this.#batches.some(({ answers }) => answers.length > 0);
  }

  /** Takes over from the queue of a claim that is over (Q4). */
  inherit(from: AppendQueue): void {
    for (const [shard, doubts] of from.#doubts) {
      const kept = doubts.filter(({ batch }) => batch.isConfirmed);
      if (kept.length > 0) this.#doubts.set(shard, kept);
    }
    for (const one of from.#takeWaiting()) this.#add(one);
  }

  /** The group is lost: nobody will be answered otherwise. */
  fail(errorFor: (shard: string | undefined, expectedSeq: number) => VnesError): void {
    const answers = this.#batches.splice(0).flatMap((batch) => batch.answers.splice(0));
    const waiting = this.#takeWaiting();
    this.#doubts.clear();
    for (const { kept, error, reject } of answers)
      reject(error ?? errorFor(kept?.append.shard, kept?.append.expectedSeq ?? 0));
    for (const one of waiting)
      one.reject("entries" in one ? errorFor(undefined, 0) : errorFor(one.shard, one.expectedSeq));
  }

  flushSoon(): void {
    if (this.#waiting.length > 0) this.#scheduled ??= setImmediate(() => this.flush());
  }

  /** Makes batches of what waits, as long as there is room on the way. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    while (this.#waiting.length > 0 && this.#isTime && this.#parts.pipeline.hasRoom) this.#sendBatch();
  }

  get #isTime(): boolean {
    return this.#batches.length < EAGER_BATCHES || this.#waitingBytes >= LARGE_BATCH_BYTES;
  }

  #add(one: Append | Chore): void {
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      const problem = `${MAX_WAITING_BYTES} bytes wait to be sent`;
      one.reject(ledgerErrors.create("LEDGER_UNREACHABLE", { path: "on NATS", seconds: 0, problem }));
      return;
    }
    this.#waiting.push(one);
    this.#waitingBytes += one.size;
    if (this.#waitingBytes >= this.#parts.partBytes() && this.#parts.pipeline.hasRoom) this.flush();
    else this.#scheduled ??= setImmediate(() => this.flush());
  }

  #takeWaiting(): (Append | Chore)[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return waiting;
  }

  #sendBatch(): void {
    const batch: Batch = { answers: [], refused: new Set(), isConfirmed: false };
    const entries: Entry[] = [];
    const most = this.#parts.partBytes();
    let taken = 0;
    let size = 0;
    for (const one of this.#waiting) {
      if (taken > 0 && size + one.size > most) break;
      taken++;
      this.#waitingBytes -= one.size;
      if (this.#take(one, batch, entries)) size += one.size;
    }
    this.#waiting.splice(0, taken);
    if (entries.length === 0) {
      this.#answerAfterLast(batch);
      return;
    }
    this.#batches.push(batch);
    const bodies = cutBody(encodeEntries(entries), most);
    const frames = bodies.map((body, part) => {
      const number = this.#number++;
      const { boot } = this.#parts;
      return { number, data: encodeFrame({ part, parts: bodies.length, boot, number, body }) };
    });
    this.#parts.pipeline.push(frames, () => this.#confirmed(batch));
  }

  /** True when it adds entries to the batch. */
  #take(one: Append | Chore, batch: Batch, entries: Entry[]): boolean {
    if ("entries" in one) {
      entries.push(...one.entries);
      const { resolve: give, reject } = one;
      batch.answers.push({ kept: undefined, error: undefined, give, reject });
      return true;
    }
    const { shard, expectedSeq, records } = one;
    const lastSeq = this.#heads.get(shard) ?? this.#parts.head(shard);
    if (this.#isInDoubt(one, lastSeq)) return false;
    let error = this.#refusing.get(shard);
    if (error === undefined && lastSeq !== expectedSeq)
      error = ledgerErrors.create("LEDGER_SEQUENCE_CONFLICT", { shard, lastSeq, expectedSeq });
    if (error !== undefined) {
      const reason = error;
      this.#refusing.set(shard, reason);
      batch.refused.add(shard);
      batch.answers.push({ kept: undefined, error, give: () => one.reject(reason), reject: one.reject });
      return false;
    }
    const seq = lastSeq + records.length;
    if (records.length > 0) {
      this.#heads.set(shard, seq);
      this.#doubts.delete(shard);
      entries.push({ kind: "append", shard, seq: expectedSeq + 1, records });
    }
    const kept = records.length > 0 ? { append: one, seq } : undefined;
    batch.answers.push({ kept, error: undefined, give: () => one.resolve(seq), reject: one.reject });
    return records.length > 0;
  }

  /** The same append was sent before and not confirmed in time (Q3). */
  #isInDoubt(one: Append, lastSeq: number): boolean {
    const doubts = this.#doubts.get(one.shard);
    const [oldest] = doubts ?? [];
    if (doubts === undefined || oldest === undefined || one.expectedSeq === lastSeq) return false;
    if (!isSame(oldest.append, one)) return false;
    doubts.shift();
    if (doubts.length === 0) this.#doubts.delete(one.shard);
    const { seq, batch } = oldest;
    if (batch.isConfirmed) one.resolve(seq);
    else {
      const give = (): void => one.resolve(seq);
      batch.answers.push({ kept: { append: one, seq }, error: undefined, give, reject: one.reject });
    }
    return true;
  }

  /** Nothing of it is written, so it is answered with the batch before it. */
  #answerAfterLast(batch: Batch): void {
    const last = this.#batches.at(-1);
    if (last === undefined) this.#answer(batch);
    else {
      last.answers.push(...batch.answers);
      for (const shard of batch.refused) last.refused.add(shard);
    }
  }

  #confirmed(batch: Batch): void {
    this.#batches.shift();
    batch.isConfirmed = true;
    this.#answer(batch);
  }

  #answer({ answers, refused }: Batch): void {
    for (const shard of refused) this.#refusing.delete(shard);
    for (const { give } of answers) give();
  }
}

/** Hashes chain over everything before, so equal ones are the same records in the same place. */
function isSame(a: Append, b: Append): boolean {
  return (
    a.expectedSeq === b.expectedSeq &&
    a.records.length === b.records.length &&
    a.records.every(({ hash }, index) => Buffer.compare(hash, (b.records[index] as NewRecord).hash) === 0)
  );
}
