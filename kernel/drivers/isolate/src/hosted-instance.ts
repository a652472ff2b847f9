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
 * H4. A new isolate is loaded in a step of its own, with the deadline of a turn. One that does not load fails the turn it was loaded for.
 * H5. When an isolate was thrown away for what ran in it, the rest of its batch may spoil one more. Then there is a stop (H3), and the
 *     kernel is told that this was so: it decides when the next one is loaded.
 * H6. A turn that met its deadline by itself, or an isolate that was loaded for it or for the first time, is tried once more, for longer,
 *     when the machine was busy with others (`busy-machine.ts`).
 */
import { secondDeadlineMs } from "./busy-machine.ts";
import { type Bundle, CapsuleIsolate, LEAST_FIRST_LOAD_MS, LoadFailure } from "./capsule-isolate.ts";
import type { FromHost, HostMeters, ToHost } from "@vnes/driver-sandbox";

/** Long enough that cutting costs nothing, short enough that a neighbour's call is not held up. */
const SLICE_MS = 5;
/** Batches that may wait here; a kernel that sends more does not wait for answers and is broken. */
const MAX_WAITING = 4_096;
/** With what a last slice adds, below what a message may hold even when every character takes three bytes; little to read at once. */
const MAX_ANSWER_CHARS = 512 * 1024;
/** Of what the capsule's top level threw. */
const MAX_REASON = 200;

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
  /** H6: for the turn at hand and what is loaded for it, once one of them is tried again. */
  secondMs: number | undefined;
}

export class HostedInstance {
  readonly #bundle: Bundle;
  readonly #send: (message: FromHost, text?: string) => void;
  readonly #waiting: (Job | Exclude<ToHost, { do: "deliver" | "open" }>)[] = [];
  #isolate: CapsuleIsolate | undefined;
  #stops = 0;
  /** H5: since the kernel was last told. */
  #hasSpoilt = false;
  /** Of isolates that are gone. */
  #cpuMs = 0;
  isClosed = false;

  /** Throws `LoadFailure`. */
  constructor(bundle: Bundle, send: (message: FromHost, text?: string) => void) {
    this.#bundle = bundle;
    this.#send = send;
    this.#isolate = firstIsolate(bundle);
  }

  get hasWork(): boolean {
    return this.#waiting.length > 0;
  }

  push(message: Exclude<ToHost, { do: "open" }>, text: string): void {
    if (this.#waiting.length >= MAX_WAITING)
      throw new Error(`more than ${MAX_WAITING} messages wait for one instance`);
    if (message.do !== "deliver") this.#waiting.push(message);
    else
      this.#waiting.push({
        message,
        text,
        parts: [],
        done: 0,
        chars: 0,
        textIn: undefined,
        alone: false,
        secondMs: undefined,
      });
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
    else if (this.#isolate === undefined) this.#reload(next);
    else this.#slice(next, this.#isolate);
    const { message, parts, done } = next;
    if (done < message.turns.length) return;
    this.#waiting.shift();
    const answer = { did: "deliver", id: message.id, batch: message.batch, stops: this.#stops } as const;
    this.#send({ ...answer, ...this.#told() }, parts.join("\n"));
  }

  /** H5. */
  #told(): { readonly spoilt?: true } {
    const hasSpoilt = this.#hasSpoilt;
    this.#hasSpoilt = false;
    return hasSpoilt ? { spoilt: true } : {};
  }

  #obey(message: Exclude<ToHost, { do: "deliver" | "open" }>): void {
    switch (message.do) {
      case "reset":
        if (this.#isolate?.reset() === false) this.#spoilt();
        return this.#send({ did: "ask", ask: message.ask, ...this.#told() });
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

  /** H4. */
  #reload(job: Job): void {
    const { limits } = this.#bundle;
    try {
      this.#isolate = new CapsuleIsolate(this.#bundle, job.secondMs ?? limits.turnMs);
    } catch (cause) {
      if (!(cause instanceof LoadFailure)) throw cause;
      this.#cpuMs += cause.cpuMs;
      this.#spoilt();
      if (cause.end === "deadline" && this.#mayGoOn(job, cause.cpuMs)) return;
      const { code, told } = {
        deadline: { code: "TURN_DEADLINE", told: this.#stoppedAt(job, cause.cpuMs) },
        memory: { code: "TURN_MEMORY", told: `was stopped at its memory limit of ${limits.memoryMb} MB` },
        threw: { code: "TURN_HANDLER_THREW", told: `failed: ${cause.message.slice(0, MAX_REASON)}` },
      }[cause.end];
      this.#fail(job, code, `loading the capsule anew ${told}`);
    }
  }

  #slice(job: Job, isolate: CapsuleIsolate): void {
    const { turns } = job.message;
    const wasFresh = isolate.isFresh;
    const left = turns.length - job.done;
    const given = job.textIn === isolate ? "" : job.text;
    job.textIn = isolate;
    const slice = isolate.run(given, job.done, job.alone ? 1 : left, SLICE_MS, left, job.secondMs);
    switch (slice.end) {
      case "ran":
        this.#keep(job, slice.count, slice.part);
        // More does not fit one answer: the rest is delivered again.
        if (slice.stopped || job.chars > MAX_ANSWER_CHARS || (this.#hasSpoilt && slice.count === left))
          this.#stop(job);
        return;
      case "deadline":
        this.#spoilt();
        this.#keep(job, slice.count, slice.part);
        // H2: the only turn of its call had the whole deadline for itself.
        if (slice.lost ? job.alone || left === 1 : slice.count === 0) {
          if (!this.#mayGoOn(job, slice.cpuMs))
            return this.#fail(job, "TURN_DEADLINE", `the turn ${this.#stoppedAt(job, slice.cpuMs)}`);
        }
        job.alone = true;
        return;
      case "memory": {
        this.#spoilt();
        const isAlone = job.alone || left === 1;
        if (isAlone && wasFresh) {
          const { memoryMb } = this.#bundle.limits;
          return this.#fail(job, "TURN_MEMORY", `the turn was stopped at its memory limit of ${memoryMb} MB`);
        }
        // H5: it comes again, and has a fresh one.
        if (job.alone) this.#stop(job);
        job.alone = true;
        return;
      }
      case "threw":
      case "garbage":
        this.#spoilt();
        if (job.alone || left === 1) {
          if (slice.end === "garbage") return this.#fail(job, "SANDBOX_ANSWER_INVALID", slice.reason);
          return this.#fail(job, "TURN_HANDLER_THREW", `after the handler had returned: ${slice.reason}`);
        }
        job.alone = true;
        return;
    }
  }

  /** H6. */
  #mayGoOn(job: Job, cpuMs: number): boolean {
    if (job.secondMs !== undefined) return false;
    job.secondMs = secondDeadlineMs(this.#bundle.limits.turnMs, cpuMs);
    return job.secondMs !== undefined;
  }

  #stoppedAt({ secondMs }: Job, cpuMs: number): string {
    if (secondMs === undefined) return `was stopped after ${this.#bundle.limits.turnMs} ms`;
    return `was stopped after ${secondMs} ms, in which it had ${cpuMs} ms of the processor`;
  }

  #keep(job: Job, count: number, part: string): void {
    if (count === 0) return;
    job.secondMs = undefined;
    job.parts.push(part);
    job.done += count;
    job.chars += part.length;
  }

  #fail(job: Job, code: string, message: string): void {
    const turn = job.message.turns[job.done];
    job.parts.push(JSON.stringify([{ turn, kind: "failed", code, message }]));
    job.done += 1;
    this.#stop(job);
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

  #spoilt(): void {
    this.#hasSpoilt = true;
    this.#discard();
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

/** H6. Throws `LoadFailure`. */
function firstIsolate(bundle: Bundle): CapsuleIsolate {
  const loadMs = Math.max(LEAST_FIRST_LOAD_MS, bundle.limits.turnMs);
  try {
    return new CapsuleIsolate(bundle, loadMs);
  } catch (cause) {
    const isLate = cause instanceof LoadFailure && cause.end === "deadline";
    const secondMs = isLate ? secondDeadlineMs(loadMs, cause.cpuMs) : undefined;
    if (secondMs === undefined) throw cause;
    return new CapsuleIsolate(bundle, secondMs);
  }
}
