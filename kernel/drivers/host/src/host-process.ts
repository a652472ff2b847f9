/**
 * A child process that runs capsules, as the kernel holds it (`docs/host-protocol.md`):
 *
 *   const host = await spawnHost({ name, program: nodeProgram(new URL("./host-main.ts", import.meta.url)), onMessage, onDeath });
 *   host.send(message);   // JSON in, JSON out
 *   host.expect(500);     // something must arrive within 500 ms, or the process is killed
 *   await host.kill();
 *
 * 1. `onDeath` is called exactly once, after the last message, however the process ended.
 * 2. The child has standard input from nowhere, its output kept bounded, and descriptor 3; no environment but TZ, LANG and what
 *    its program names.
 * 3. It leads a process group of its own, so a Ctrl-C meant for the node does not take its hosts away first.
 */
import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Duplex } from "node:stream";
import { HOST_PROTOCOL_VERSION, type VnesError } from "@vnes/schemas";
import { hostErrors } from "./errors.ts";
import { encodeFrame, FrameError, FrameReader, MAX_FRAME_BYTES } from "./frame.ts";
import type { HostProgram } from "./host-program.ts";
import { LongTurns } from "./long-turns.ts";
import { OutputTail } from "./output-tail.ts";
import { familyOf, type ProcessUsage, usageOf } from "./process-usage.ts";
import { noWall, type Wall, type Walled } from "./wall.ts";
import { writeTogether } from "./write-together.ts";

/** A cold disk and a busy machine included; measured starts are about a twentieth of it. */
const START_TIMEOUT_MS = 10_000;

export interface HostOptions {
  /** For messages, such as `isolate:system`. */
  readonly name: string;
  readonly program: HostProgram;
  /** Default: a process of its own and nothing more. */
  readonly wall?: Wall;
  readonly startTimeoutMs?: number;
  /** Of one message from the host; default and most: `MAX_FRAME_BYTES`. A larger one ends it. */
  readonly maxMessageBytes?: number;
  /** Of its line of JSON. */
  readonly maxLineBytes?: number;
  /**
   * `text` is what came beside the message, UTF-8, unread; usually nothing. It is written over when `onMessage` has returned, or the
   * promise it returned has settled: nothing more is read of this process before.
   */
  onMessage(message: unknown, text: Buffer): unknown;
  onDeath(death: HostDeath): void;
}

export interface HostDeath {
  readonly code: number | null;
  readonly signal: string | null;
  /** One sentence: the signal or code, why it was killed if it was, and its last words. */
  readonly reason: string;
}

export interface HostProcess {
  readonly pid: number;
  /** Of it and what came from it; zeros when they are gone. */
  usage(): ProcessUsage;
  /**
   * Throws `HOST_PROTOCOL_FRAME_TOO_LARGE`. A message to a process that is gone is dropped: its death has been or will be
   * told. Bytes stay as they are until the host has answered.
   */
  send(message: unknown, text?: string | Uint8Array): void;
  /** Kills the process unless something arrives from it within `withinMs`; again from each arrival. Undefined expects nothing. */
  expect(withinMs: number | undefined): void;
  /** Whether an answer is: while it is and nothing comes for long, the process is nicer than it was started. */
  awaited(isAwaited: boolean): void;
  /** It stands still, or goes on; without a wall nothing happens. */
  rest(isResting: boolean): void;
  /** Resolves when it is gone. `because` is told with its death. */
  kill(because?: string): Promise<void>;
}

/** Resolves when the host has said hello; rejects with `HOST_START_FAILED` or `HOST_PROTOCOL_VERSION`. */
export async function spawnHost(options: HostOptions): Promise<HostProcess> {
  const host = new ChildHost(options);
  try {
    await host.ready;
  } catch (cause) {
    await host.kill();
    throw cause;
  }
  return host;
}

class ChildHost implements HostProcess {
  readonly ready: Promise<void>;
  readonly #options: HostOptions;
  readonly #walled: Walled;
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  readonly #reader: FrameReader;
  readonly #output = new OutputTail();
  readonly #hello: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #isReady = false;
  #arrivals = 0;
  #isGone = false;
  #killedBecause: string | undefined;
  /** A message is being worked off. */
  #isHeld = false;
  #watch: NodeJS.Timeout | undefined;
  readonly #long: LongTurns;
  /** From start to hello, whatever arrives in between: who says it byte by byte is not waited for. */
  readonly #start: NodeJS.Timeout;

  constructor(options: HostOptions) {
    this.#options = options;
    const { maxMessageBytes: maxBytes = MAX_FRAME_BYTES, maxLineBytes = maxBytes } = options;
    this.#reader = new FrameReader({ maxBytes, maxLineBytes });
    this.ready = this.#hello.promise;
    // A start that fails is told through `ready` alone; nobody may be looking at it yet.
    this.ready.catch(() => undefined);
    this.#walled = (options.wall ?? noWall()).start(options.program);
    this.#child = this.#walled.child;
    this.#pipe = this.#child.stdio[3] as Duplex;
    this.#long = new LongTurns((more) => this.#walled.makeNicer(more));
    this.#listen();
    const startMs = options.startTimeoutMs ?? START_TIMEOUT_MS;
    this.#start = setTimeout(() => this.#silent(startMs), startMs);
    this.send({ hello: { protocol: HOST_PROTOCOL_VERSION, name: options.name } });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  usage(): ProcessUsage {
    // The number of one that is gone may be another's.
    return usageOf(this.#isGone ? [] : familyOf(this.pid));
  }

  send(message: unknown, text?: string | Uint8Array): void {
    const frame = framed(() => encodeFrame(message, text));
    if (this.#isGone || !this.#pipe.writable) return;
    // What is expected cannot come before what was asked has left.
    writeTogether(this.#pipe, frame, () => this.#watch?.refresh());
  }

  expect(withinMs: number | undefined): void {
    clearTimeout(this.#watch);
    this.#watch = undefined;
    if (withinMs === undefined || this.#isGone) return;
    this.#watch = setTimeout(() => this.#silent(withinMs), withinMs);
  }

  awaited(isAwaited: boolean): void {
    this.#long.awaited(isAwaited);
  }

  /** Silence counts only once the pipe was read: this process may have been the one that was held up. */
  #silent(withinMs: number): void {
    const before = this.#arrivals;
    setImmediate(() =>
      setImmediate(() => {
        if (!this.#isReady) this.#kill(`it did not say hello within ${withinMs} ms`);
        else if (this.#arrivals === before && this.#watch !== undefined && !this.#isHeld)
          this.#kill(`nothing came from it for ${withinMs} ms`);
      }),
    );
  }

  rest(isResting: boolean): void {
    if (!this.#isGone) this.#walled.rest?.(isResting);
  }

  kill(because = "it was stopped"): Promise<void> {
    this.#kill(because);
    return this.#gone.promise;
  }

  #kill(because: string): void {
    if (this.#isGone) return;
    this.#killedBecause ??= because;
    this.#walled.kill();
  }

  #listen(): void {
    this.#pipe.on("data", (chunk: Buffer) => this.#receive(chunk));
    // A broken pipe is a dying process; its exit is what counts.
    this.#pipe.on("error", () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      if (stream !== null) this.#output.follow(stream);
    this.#child.on("exit", () => {
      this.#long.end();
      this.#output.end();
    });
    this.#child.on("error", (cause) => this.#ended(null, null, `it could not be started: ${cause.message}`));
    this.#child.on("close", (code, signal) => this.#ended(code, signal, undefined));
  }

  #receive(chunk: Buffer): void {
    // It is being killed: what it still says may be the rest of a frame that made no sense.
    if (this.#killedBecause !== undefined) return;
    this.#arrived();
    this.#handOn(this.#reader.push(chunk));
    free(chunk);
  }

  #arrived(): void {
    this.#arrivals += 1;
    this.#watch?.refresh();
  }

  #handOn(messages: Iterator<unknown>): void {
    try {
      for (let next = messages.next(); next.done !== true; next = messages.next()) {
        this.#long.sign();
        if (!this.#isReady) {
          this.#greet(next.value);
          continue;
        }
        const work = this.#options.onMessage(next.value, this.#reader.text);
        if (work instanceof Promise) return this.#hold(work, messages);
      }
    } catch (thrown) {
      this.#broken(thrown);
    }
  }

  /** What comes meanwhile waits in the pipe, and whoever writes it waits there too. */
  #hold(work: Promise<unknown>, rest: Iterator<unknown>): void {
    this.#isHeld = true;
    this.#pipe.pause();
    const goOn = (): void => {
      this.#isHeld = false;
      this.#arrived();
      if (this.#killedBecause === undefined) this.#handOn(rest);
      if (!this.#isHeld) this.#pipe.resume();
    };
    void work.catch((thrown: unknown) => this.#broken(thrown)).then(goOn);
  }

  #broken(thrown: unknown): void {
    const cause = coded(thrown);
    this.#hello.reject(cause);
    this.#kill(cause instanceof Error ? cause.message : String(cause));
  }

  #greet(message: unknown): void {
    const theirs = (message as { hello?: { protocol?: unknown } } | null)?.hello?.protocol;
    if (theirs !== HOST_PROTOCOL_VERSION) {
      const details = { host: this.#options.name, theirs: told(theirs), ours: HOST_PROTOCOL_VERSION };
      throw hostErrors.create("HOST_PROTOCOL_VERSION", details);
    }
    this.#isReady = true;
    clearTimeout(this.#start);
    this.#hello.resolve();
  }

  #ended(code: number | null, signal: string | null, problem: string | undefined): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#watch);
    clearTimeout(this.#start);
    this.#long.end();
    const why = this.#walled.ended() ?? problem ?? this.#killedBecause;
    const end = signal ?? exitText(code);
    const said = this.#output.lastWords;
    const dropped =
      this.#output.droppedBytes > 0 ? `, ${this.#output.droppedBytes} more bytes of output dropped` : "";
    const reason = `${end}${why === undefined ? "" : ` (${why})`}${said === "" ? "" : `: ${said}${dropped}`}`;
    this.#hello.reject(this.#startFailed(reason));
    this.#gone.resolve();
    this.#options.onDeath({ code, signal, reason });
  }

  #startFailed(reason: string): VnesError {
    return hostErrors.create("HOST_START_FAILED", { host: this.#options.name, reason });
  }
}

/**
 * Gives back the memory of what a pipe gave, which the reader has copied: left to the garbage collector, what lies outside of V8's own
 * heap makes it look through all of that every 64 MB, which costs more than the copy. It may be a part of something larger.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** Behind a wall the process that is waited for passes a signal on as 128 and its number. */
function exitText(code: number | null): string {
  const number = (code ?? 0) - 128;
  const signal = Object.entries(constants.signals).find(([, its]) => its === number)?.[0];
  return signal === undefined ? `exit code ${code}` : `exit code ${code}, ${signal}`;
}

function framed<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw coded(cause);
  }
}

/** A version as a host says it, which may be anything. */
function told(version: unknown): string {
  return typeof version === "number" ? String(version) : "(no number)";
}

function coded(cause: unknown): unknown {
  return cause instanceof FrameError ? hostErrors.create(cause.code, cause.details) : cause;
}
