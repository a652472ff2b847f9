/**
 * One instance within the sandbox host: its isolate, and the work that waits for it, one piece after the other.
 *
 * H1. A slice of a batch runs at most `SLICE_MS` before others get their turn; each call into the isolate has the full
 *     deadline of a turn.
 * H2. A turn that was interrupted behind others in the same call runs again alone, in a new isolate, with a deadline of its
 *     own; only then it has failed. The same holds for memory and for what is thrown outside of a turn: what others left
 *     behind is not its fault.
 * H3. After a stop (`needKeys`, or an interrupted turn that failed) nothing behind it runs, neither of its batch nor
 *     of batches sent before the kernel knew (rule 2 of the sandbox port).
 */
import { type Bundle, CapsuleIsolate } from "./capsule-isolate.ts";
import type { FromHost, HostMeters, ToHost } from "@vnes/driver-sandbox";

/** Long enough that cutting costs nothing, short enough that a neighbour's call is not held up. */
const SLICE_MS = 5;
/** Batches that may wait here; a kernel that sends more does not wait for answers and is broken. */
const MAX_WAITING = 4_096;
/** With what a last slice adds, below what a message may hold even when every character takes three bytes; little to read at once. */
const MAX_ANSWER_CHARS = 512 * 1024;

type Deliver = Extract<ToHost, { do: "deliver" }>;

interface Job {
  readonly message: Deliver;
  /** JSON of the requests. */
  readonly text: string;
  readonly parts: string[];
  /** Turns of the batch that have results. */
  done: number;
  /** Length of the parts. */
  chars: number;
  /** The isolate that holds the batch's text, so that it is handed over once. */
  textIn: CapsuleIsolate | undefined;
  /** H2: one turn a call from here on. */
  alone: boolean;
}

export class HostedInstance {
  readonly #bundle: Bundle;
  readonly #send: (message: FromHost, text?: string) => void;
  readonly #waiting: (Job | Exclude<ToHost, { do: "deliver" | "open" }>)[] = [];
  #isolate: CapsuleIsolate | undefined;
  #stops = 0;
  /** Of isolates that are gone. */
  #cpuMs = 0;
  isClosed = false;

  /** Throws when the bundle does not load. */
  constructor(bundle: Bundle, send: (message: FromHost, text?: string) => void) {
    this.#bundle = bundle;
    this.#send = send;
    this.#isolate = new CapsuleIsolate(bundle);
  }

  get hasWork(): boolean {
    return this.#waiting.length > 0;
  }

  push(message: Exclude<ToHost, { do: "open" }>, text: string): void {
    if (this.#waiting.length >= MAX_WAITING)
      throw new Error(`more than ${MAX_WAITING} messages wait for one instance`);
    if (message.do !== "deliver") this.#waiting.push(message);
    else this.#waiting.push({ message, text, parts: [], done: 0, chars: 0, textIn: undefined, alone: false });
  }

  /** The next piece of work: a slice of a batch, or one message. */
  step(): void {
    const next = this.#waiting[0];
    if (next === undefined) return;
    if ("do" in next) {
      this.#waiting.shift();
      return this.#obey(next);
    }
    if (next.message.stops !== this.#stops) this.#notRun(next);
    else this.#slice(next);
    const { message, parts, done } = next;
    if (done < message.turns.length) return;
    this.#waiting.shift();
    const answer = { did: "deliver", id: message.id, batch: message.batch, stops: this.#stops } as const;
    this.#send(answer, parts.join("\n"));
  }

  #obey(message: Exclude<ToHost, { do: "deliver" | "open" }>): void {
    switch (message.do) {
      case "reset":
        if (this.#isolate?.reset() === false) this.#discard();
        return this.#send({ did: "ask", ask: message.ask });
      case "renew":
        this.#stops = message.stops;
        return this.#discard();
      case "meters":
        return this.#send({ did: "ask", ask: message.ask, meters: this.#meters() });
      case "close":
        this.#discard();
        this.isClosed = true;
        return this.#send({ did: "ask", ask: message.ask });
    }
  }

  #slice(job: Job): void {
    const { turns } = job.message;
    this.#isolate ??= new CapsuleIsolate(this.#bundle);
    const isolate = this.#isolate;
    const wasFresh = isolate.isFresh;
    const left = turns.length - job.done;
    const given = job.textIn === isolate ? "" : job.text;
    job.textIn = isolate;
    const slice = isolate.run(given, job.done, job.alone ? 1 : left, SLICE_MS, left);
    switch (slice.end) {
      case "ran":
        this.#keep(job, slice.count, slice.part);
        // More does not fit one answer: the rest is delivered again.
        if (slice.stopped || job.chars > MAX_ANSWER_CHARS) this.#stop(job);
        return;
      case "deadline":
        this.#discard();
        this.#keep(job, slice.count, slice.part);
        // H2: the only turn of its call had the whole deadline for itself.
        if (slice.lost ? job.alone || left === 1 : slice.count === 0) {
          return this.#fail(
            job,
            "TURN_DEADLINE",
            `the turn was stopped after ${this.#bundle.limits.turnMs} ms`,
          );
        }
        job.alone = true;
        return;
      case "memory": {
        this.#discard();
        const isAlone = job.alone || left === 1;
        if (isAlone && wasFresh) {
          const { memoryMb } = this.#bundle.limits;
          return this.#fail(job, "TURN_MEMORY", `the turn was stopped at its memory limit of ${memoryMb} MB`);
        }
        job.alone = true;
        return;
      }
      case "threw":
      case "garbage":
        this.#discard();
        if (job.alone || left === 1) {
          if (slice.end === "garbage") return this.#fail(job, "SANDBOX_ANSWER_INVALID", slice.reason);
          return this.#fail(job, "TURN_HANDLER_THREW", `after the handler had returned: ${slice.reason}`);
        }
        job.alone = true;
        return;
    }
  }

  #keep(job: Job, count: number, part: string): void {
    if (count === 0) return;
    job.parts.push(part);
    job.done += count;
    job.chars += part.length;
  }

  #fail(job: Job, code: string, message: string): void {
    const turn = job.message.turns[job.done];
    job.parts.push(JSON.stringify([{ turn, kind: "failed", code, message }]));
    job.done += 1;
    if (job.done < job.message.turns.length) this.#stop(job);
  }

  /** H3. */
  #stop(job: Job): void {
    this.#stops += 1;
    this.#notRun(job);
  }

  #notRun(job: Job): void {
    const rest = job.message.turns.slice(job.done);
    job.done = job.message.turns.length;
    if (rest.length === 0) return;
    job.parts.push(JSON.stringify(rest.map((turn) => ({ turn, kind: "needKeys", keys: [], ranges: [] }))));
  }

  #discard(): void {
    this.#cpuMs += this.#isolate?.cpuMs ?? 0;
    this.#isolate?.dispose();
    this.#isolate = undefined;
  }

  #meters(): HostMeters {
    const cpuMs = this.#cpuMs + (this.#isolate?.cpuMs ?? 0);
    return { cpuMs, heapBytes: this.#isolate?.heapBytes ?? 0, hostBytes: process.memoryUsage.rss() };
  }
}
