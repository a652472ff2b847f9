/**
 * One capsule instance that is a process of its own. The kernel's side holds the deadline; what the process answers is judged
 * before anybody sees it. The numbers are those of the port's rules (`kernel/src/ports/sandbox.ts`).
 *
 * P1. The process answers in order. Silence counts from the last result: one that was silent for a turn's deadline and the grace is killed.
 * P2. A turn is to blame when it had the process for itself. One behind or before others runs again alone, in a new process, and those behind it too.
 * P3. After a kill by this side a new process is opened, at once or, when turns spoil one after the other, ever more slowly: what it
 *     knew was a cache. A process that ends by itself ends the instance.
 * P4. What it uses is what the machine says of it; it is not asked.
 */
import { type RepeatedBatch, type SandboxInstance, type SandboxMeters, unlessExpected } from "@vnes/kernel";
import {
  AT_ONCE_BYTES,
  atOnce,
  inStretches,
  type Judged,
  type JudgedRequest,
  notRun,
  parsePiece,
  pause,
  refused,
  RenewalPace,
  TurnTally,
} from "@vnes/driver-sandbox";
import { isVnesError, type TurnRequest, type TurnResult, turnErrors, type VnesError } from "@vnes/schemas";
import {
  CapsuleProcess,
  type FromProcess,
  hostDied,
  ONLY_ID,
  type ProcessOptions,
} from "./capsule-process.ts";
import { askedOf, goAlone, type Owed, type OwedBatch } from "./owed.ts";
import { ProgressWatch } from "./progress-watch.ts";

/** On top of a turn's deadline: results leave a few milliseconds late, and the machine is busy with others. */
export const GRACE_MS = 250;

const decoder = new TextDecoder();

export class ProcessInstance implements SandboxInstance {
  readonly #options: ProcessOptions;
  readonly #onGone: () => void;
  readonly #owed: Owed[] = [];
  readonly #tally = new TurnTally();
  readonly #watch: ProgressWatch;
  readonly #pace = new RenewalPace();
  /** The one that is open; nothing is sent before. */
  #process: CapsuleProcess | undefined;
  #starting: CapsuleProcess | undefined;
  #gone: VnesError | undefined;
  #nextMessage = 0;
  /** Turns that stopped what was sent behind them (2); the process counts its own from when it was opened. */
  #stops = 0;
  #stopsBefore = 0;
  /** No turn has ended in this process yet. */
  #isFresh = true;
  /** Of processes that were replaced. */
  #cpuMsBefore = 0;
  #isResting = false;
  #last: Promise<unknown> = Promise.resolve();
  #disposing: Promise<void> | undefined;

  constructor(options: ProcessOptions, onGone: () => void) {
    this.#options = options;
    this.#onGone = onGone;
    this.#watch = new ProgressWatch(options.spec.limits.turnMs + GRACE_MS, () => this.#silent());
  }

  async start(): Promise<void> {
    const process = new CapsuleProcess(this.#options, {
      message: (message, text) => this.#receive(message, text),
      died: (error) => this.#end(error),
    });
    this.#starting = process;
    this.#isFresh = true;
    this.#stopsBefore = this.#stops;
    await process.start();
    this.#process = process;
  }

  deliver(batch: readonly TurnRequest[]): Promise<readonly TurnResult[]> {
    return this.#run(batch, JSON.stringify(batch));
  }

  async repeat({ turns, requests, expected }: RepeatedBatch): Promise<readonly TurnResult[] | undefined> {
    const batch = turns.map((turn) => ({ turn }));
    return unlessExpected(await this.#run(batch, decoder.decode(requests)), expected);
  }

  async #run(requests: readonly JudgedRequest[], text: string): Promise<readonly TurnResult[]> {
    if (requests.length === 0) return [];
    const owed = { kind: "batch", requests, text, stops: this.#stops } as const;
    return this.#ask((end) => ({ ...owed, results: [], sent: undefined, alone: undefined, ...end }));
  }

  async reset(): Promise<void> {
    await this.#ask<void>((end) => ({ kind: "reset", sent: undefined, ...end }));
  }

  /** P4. */
  async meters(): Promise<SandboxMeters> {
    if (this.#gone !== undefined) throw this.#gone;
    const { cpuMs = 0, memoryKb = 0 } = this.#process?.usage ?? {};
    const memoryBytes = memoryKb * 1024;
    return {
      turns: this.#tally.turns,
      failedTurns: this.#tally.failedTurns,
      cpuMs: this.#cpuMsBefore + cpuMs + this.#tally.judgedMs,
      bytes: this.#tally.bytes,
      memoryBytes,
      host: { group: this.#options.spec.group, pid: this.#process?.pid ?? 0, memoryBytes },
    };
  }

  rest(isResting: boolean): void {
    if (isResting && this.#owed.length > 0) return;
    this.#isResting = isResting;
    this.#process?.rest(isResting);
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#last.then(() => this.kill());
    return this.#disposing;
  }

  async kill(): Promise<void> {
    this.#end(hostDied(this.#options.spec, "it was stopped"));
    await this.#starting?.kill();
  }

  #ask<T>(make: (end: { resolve(value: T): void; reject(error: VnesError): void }) => Owed): Promise<T> {
    const asked = new Promise<T>((resolve, reject) => {
      const owed = make({ resolve, reject });
      if (this.#gone !== undefined) return owed.reject(this.#gone);
      if (this.#isResting) this.rest(false);
      this.#owed.push(owed);
      this.#pump();
    });
    this.#last = asked.catch(() => undefined);
    return asked;
  }

  /** Sends what may be sent. A turn that runs alone has nothing behind it. */
  #pump(): void {
    const process = this.#process;
    if (process === undefined) return;
    for (const owed of [...this.#owed]) {
      if (owed.sent === undefined && !this.#isObsolete(owed)) this.#send(process, owed);
      if (owed.kind === "batch" && owed.alone !== undefined) break;
    }
    if (this.#owed.length > 0 && !this.#watch.isArmed) this.#watch.arm();
    process.awaited(this.#owed.length > 0);
  }

  #send(process: CapsuleProcess, owed: Owed): void {
    const id = ONLY_ID;
    const number = this.#nextMessage++;
    owed.sent = number;
    if (owed.kind !== "batch") return process.send({ do: owed.kind, id, ask: number });
    const turns = askedOf(owed).map(({ turn }) => turn);
    const text = owed.alone === undefined ? owed.text : `[${owed.alone[owed.results.length]}]`;
    this.#tally.bytes += Buffer.byteLength(text);
    try {
      process.send({ do: "deliver", id, batch: number, stops: owed.stops - this.#stopsBefore, turns }, text);
    } catch (cause) {
      // No frame holds it; the process never heard of it.
      this.#owed.splice(this.#owed.indexOf(owed), 1);
      owed.reject(cause as VnesError);
    }
  }

  /** Asked for before an answer that stopped everything behind it (2), whatever the process makes of it. */
  #isObsolete(owed: Owed): boolean {
    return owed.kind === "batch" && owed.stops !== this.#stops;
  }

  #receive(message: FromProcess, text: Buffer): Promise<void> | undefined {
    const head = this.#owed[0];
    const number = message["did"] === "deliver" ? message["batch"] : message["ask"];
    const isAsked = (message["did"] === "deliver") === (head?.kind === "batch");
    if (head?.sent === undefined || !isAsked || number !== head.sent) {
      this.#refuse("it said something that it was not asked");
      return undefined;
    }
    this.#tally.bytes += text.length;
    if (head.kind === "batch") return this.#answered(head, message["more"] === true, text);
    head.resolve();
    this.#next();
    return undefined;
  }

  #answered(head: OwedBatch, isMore: boolean, text: Buffer): Promise<void> | undefined {
    if (this.#isObsolete(head)) {
      if (isMore) this.#refuse("it ran what it was not to");
      else this.#next();
      return undefined;
    }
    const asked = askedOf(head);
    const { effectBytes } = this.#options.spec.limits;
    const judging = parsePiece(text, asked, effectBytes, head.results.at(-1));
    const took = (ms: number): void => void (this.#tally.judgedMs += ms);
    if (text.length > AT_ONCE_BYTES) {
      // It was not silent, however long this takes.
      this.#watch.disarm();
      const { sent } = head;
      return inStretches(judging, took).then((piece) => {
        if (this.#owed[0] === head && head.sent === sent) this.#judged(head, asked, isMore, piece);
      });
    }
    this.#judged(head, asked, isMore, atOnce(judging, took));
    return undefined;
  }

  #judged(head: OwedBatch, asked: readonly JudgedRequest[], isMore: boolean, judged: Judged): void {
    let piece = judged;
    if (isMore && piece.results.length === 0) return this.#refuse("it has more to come, and no result");
    if (piece.invalid === undefined && !isMore && piece.results.length < asked.length)
      piece = refused(piece.results, asked, "fewer results than turns");
    const full = piece.results.findIndex(isOverMemory);
    if (full >= 0 && !(this.#isFresh && asked.length === 1)) {
      head.results.push(...piece.results.slice(0, full));
      goAlone(head);
      return this.#replace();
    }
    head.results.push(...piece.results);
    if (piece.results.length > 0) {
      this.#watch.disarm();
      this.#isFresh = false;
    }
    if (piece.invalid !== undefined || !isMore) this.#ended(head, piece.invalid);
    else this.#pump();
  }

  /** A message was worked off: the whole batch, or one turn of it. */
  #ended(head: OwedBatch, invalid: string | undefined): void {
    const last = head.results.at(-1);
    const isStopped = invalid !== undefined || last?.kind === "needKeys";
    if (
      !isStopped &&
      last !== undefined &&
      !isOverMemory(last) &&
      head.results.length < head.requests.length
    ) {
      head.sent = undefined;
      return this.#pump();
    }
    this.#finish(head, invalid, last !== undefined && isOverMemory(last));
  }

  /** `isSpoilt`: the process is not to run another turn. */
  #finish(head: OwedBatch, invalid: string | undefined, isSpoilt: boolean): void {
    head.results.push(...head.requests.slice(head.results.length).map(notRun));
    const judged = this.#tally.judge({
      results: head.results,
      ...(invalid === undefined ? {} : { invalid }),
    });
    const isInvalid = judged.invalid !== undefined;
    this.#owed.shift();
    head.resolve(judged.results);
    if (isInvalid || judged.results.some(({ kind }) => kind === "needKeys")) this.#stops += 1;
    if (isInvalid || isSpoilt) this.#replace();
    else this.#next(false);
  }

  /** The head was answered; batches behind it that are obsolete and were never sent are answered here. */
  #next(isHeadDone = true): void {
    if (isHeadDone) this.#shift();
    while (this.#owed[0] !== undefined && this.#owed[0].sent === undefined && this.#isObsolete(this.#owed[0]))
      this.#shift();
    this.#watch.disarm();
    this.#pump();
  }

  #shift(): void {
    const head = this.#owed.shift();
    if (head?.kind === "batch") head.resolve(head.requests.map(notRun));
  }

  #silent(): void {
    const head = this.#owed[0];
    if (head === undefined) return;
    if (head.kind !== "batch" || this.#isObsolete(head)) {
      if (head.kind !== "batch") head.resolve();
      this.#shift();
      return this.#replace();
    }
    const isAlone =
      askedOf(head).length === 1 && this.#owed.filter(({ sent }) => sent !== undefined).length === 1;
    if (!isAlone) {
      goAlone(head);
      return this.#replace();
    }
    const { turn } = askedOf(head)[0] as JudgedRequest;
    const { code, message } = turnErrors.create("TURN_DEADLINE", {
      limitMs: this.#options.spec.limits.turnMs,
    });
    head.results.push({ turn, kind: "failed", code, message });
    this.#finish(head, undefined, true);
  }

  /** P3. Whoever is to blame: a turn that goes well alone has cost a process all the same. */
  #replace(): void {
    const waitMs = this.#pace.waitMs(performance.now());
    // It dies with it.
    this.#cpuMsBefore += this.#process?.usage.cpuMs ?? 0;
    this.#process = undefined;
    this.#watch.disarm();
    for (const owed of this.#owed) owed.sent = undefined;
    void this.#reopen(waitMs);
  }

  async #reopen(waitMs: number): Promise<void> {
    try {
      await this.#starting?.kill();
      if (waitMs > 0) await pause(waitMs);
      if (this.#gone !== undefined) return;
      await this.start();
      this.#next(false);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#end(
        isVnesError(cause) && cause.code === "SANDBOX_HOST_DIED"
          ? cause
          : hostDied(this.#options.spec, reason),
      );
    }
  }

  #refuse(reason: string): void {
    this.#end(hostDied(this.#options.spec, reason));
  }

  #end(error: VnesError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    this.#watch.disarm();
    this.#onGone();
    for (const owed of this.#owed.splice(0)) owed.reject(error);
    void this.#starting?.kill();
  }
}

function isOverMemory(result: TurnResult): boolean {
  return result.kind === "failed" && result.code === "TURN_MEMORY";
}
