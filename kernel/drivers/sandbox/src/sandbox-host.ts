/**
 * One sandbox host as the kernel holds it: what was asked of the process and is not answered yet. When the process is
 * gone everything it owed is rejected with `SANDBOX_HOST_DIED`, and so is everything asked later.
 */
import { type HostDeath, type HostProcess, type HostProgram, spawnHost, type Wall } from "@vnes/driver-host";
import type { Confinement, SandboxSpec } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { sandboxErrors } from "./errors.ts";
import { hostBounds } from "./host-bounds.ts";
import { type FromHost, type HostMeters, parseMeters, type ToHost } from "./messages.ts";

/**
 * Deadlines that one call into an isolate lasts at most: a turn that is tried once more because the machine is busy (`busy-machine.ts` of the
 * isolate's driver, which a test compares).
 */
export const MOST_DEADLINES = 3;
/** Above what a host may be silent by the rules: a busy machine. */
const GRACE_MS = 2_000;
/** Loading a bundle, on top. One is loaded after the other, and each is told at once. */
const OPEN_MS = 5_000;
/** A host says that it is alive every 100 ms while it owes something: a busy machine may bring some of them together. */
const LEAST_ALIVE_MS = 20;
const MOST_CHATTER = 100;
const MAX_REASON = 500;

export interface SandboxHostOptions {
  /** For messages, such as `javascript:system`. */
  readonly name: string;
  readonly group: string;
  readonly program: HostProgram;
  readonly wall: Wall;
  readonly confinement: Confinement | undefined;
}

export interface Delivered {
  /** Lines, each JSON of results, as the isolate made it. Written over by what the host says next, which is read once this was judged. */
  readonly text: Buffer;
  readonly stops: number;
  /** The isolate had to be thrown away for what ran in it. */
  readonly hasSpoilt: boolean;
}

type Asked = Extract<FromHost, { did: "ask" }>;

interface Owed {
  readonly isOpening: boolean;
  /** A promise: of when what came with it was read. */
  settle(value: never): unknown;
  reject(error: unknown): void;
}

export class SandboxHost {
  readonly group: string;
  readonly #options: SandboxHostOptions;
  readonly #onGone: () => void;
  readonly #owed = new Map<string, Owed>();
  #process: HostProcess | undefined;
  #death: HostDeath | undefined;
  #nextId = 0;
  #nextAsk = 0;
  #slowestTurnMs = 0;
  #opening = 0;
  #instances = 0;
  #isExpecting = false;
  #aliveAt = 0;
  #chatter = 0;

  constructor(options: SandboxHostOptions, onGone: () => void) {
    this.group = options.group;
    this.#options = options;
    this.#onGone = onGone;
  }

  async start(): Promise<void> {
    try {
      this.#process = await spawnHost({
        name: this.#options.name,
        program: this.#options.program,
        wall: this.#options.wall,
        ...hostBounds(this.#options.confinement),
        onMessage: (message, text) => this.#receive(message as FromHost, text),
        onDeath: (death) => this.#died(death),
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw sandboxErrors.create("SANDBOX_HOST_START_FAILED", { group: this.group, reason }, cause);
    }
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isGone(): boolean {
    return this.#death !== undefined;
  }

  /** Resolves with the id the host knows the instance by. */
  async open(spec: SandboxSpec, bundle: string): Promise<number> {
    const { instance, entry, limits } = spec;
    const id = this.#nextId++;
    this.#slowestTurnMs = Math.max(this.#slowestTurnMs, limits.turnMs);
    this.#instances += 1;
    this.#opening += 1;
    try {
      await this.#ask<void>(`open ${id}`, { do: "open", id, instance, entry, limits }, bundle);
      return id;
    } catch (cause) {
      await this.#released();
      throw cause;
    } finally {
      this.#opening -= 1;
    }
  }

  /** Resolves with what `judge` makes of the answer. Until then nothing more is read of this host. */
  deliver<T>(
    message: Extract<ToHost, { do: "deliver" }>,
    requests: string | Uint8Array,
    judge: (delivered: Delivered) => T | Promise<T>,
  ): Promise<T> {
    return this.#ask(`deliver ${message.id} ${message.batch}`, message, requests, judge);
  }

  /** Resolves with whether the isolate had to be thrown away for it. */
  reset(id: number): Promise<boolean> {
    const ask = this.#nextAsk++;
    return this.#ask(
      `ask ${ask}`,
      { do: "reset", id, ask },
      undefined,
      ({ spoilt }: Asked) => spoilt === true,
    );
  }

  renew(id: number, stops: number): void {
    this.#process?.send({ do: "renew", id, stops } satisfies ToHost);
  }

  meters(id: number): Promise<HostMeters> {
    const ask = this.#nextAsk++;
    return this.#ask(`ask ${ask}`, { do: "meters", id, ask }, undefined, ({ meters }: Asked) =>
      parseMeters(meters),
    );
  }

  /** The last one to close ends the process. */
  async close(id: number): Promise<void> {
    const ask = this.#nextAsk++;
    try {
      if (this.#instances > 1) await this.#ask<void>(`ask ${ask}`, { do: "close", id, ask });
    } catch {
      // It is gone, and the instance with it.
    }
    await this.#released();
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async #released(): Promise<void> {
    this.#instances -= 1;
    if (this.#instances > 0) return;
    this.#onGone();
    await this.kill();
  }

  #ask<T>(
    name: string,
    message: ToHost,
    text?: string | Uint8Array,
    judge?: (value: never) => T | Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#death !== undefined) return reject(this.#hostDied(this.#death, { wasIdle: true }));
      // Throws for a message no frame holds; nothing is owed then.
      this.#process?.send(message, text);
      const settle = (value: never): unknown => {
        const judged = judge === undefined ? value : judge(value);
        resolve(judged);
        return judged;
      };
      this.#owed.set(name, { isOpening: message.do === "open", settle, reject });
      if (!this.#isExpecting || message.do === "open") this.#expect();
    });
  }

  #receive(message: FromHost, text: Buffer): Promise<unknown> | undefined {
    switch (message.did) {
      case "open":
        return this.#settle(`open ${message.id}`, undefined);
      case "fail":
        this.#refuse(`open ${message.id}`, message.reason);
        return undefined;
      case "deliver":
        return this.#settle(`deliver ${message.id} ${message.batch}`, {
          text,
          stops: message.stops,
          hasSpoilt: message.spoilt === true,
        });
      case "ask":
        return this.#settle(`ask ${message.ask}`, message);
      case "alive":
        this.#alive();
        return undefined;
      default:
        this.#unasked();
        return undefined;
    }
  }

  /** Each thing it says is the answer to one that was asked. */
  #unasked(): void {
    void this.#process?.kill("it said something that it was not asked");
  }

  /** Said without a need it costs this process more than the one that says it. */
  #alive(): void {
    const now = performance.now();
    const isNeeded = this.#owed.size > 0 && now - this.#aliveAt >= LEAST_ALIVE_MS;
    this.#chatter = isNeeded ? 0 : this.#chatter + 1;
    this.#aliveAt = now;
    if (this.#chatter > MOST_CHATTER) void this.#process?.kill("it says without end that it is alive");
  }

  /** A promise: it takes its time, and is told to whoever asked. */
  #settle(name: string, value: unknown): Promise<unknown> | undefined {
    const owed = this.#answered(name);
    try {
      const settled = owed?.settle(value as never);
      return settled instanceof Promise ? settled.catch(() => undefined) : undefined;
    } catch (cause) {
      owed?.reject(cause);
      return undefined;
    }
  }

  #refuse(name: string, reason: unknown): void {
    const told = typeof reason === "string" ? reason.slice(0, MAX_REASON) : "no reason given";
    this.#answered(name)?.reject(sandboxErrors.create("SANDBOX_BUNDLE_BROKEN", { reason: told }));
  }

  #answered(name: string): Owed | undefined {
    const owed = this.#owed.get(name);
    if (owed === undefined) {
      this.#unasked();
      return undefined;
    }
    this.#owed.delete(name);
    if (this.#owed.size === 0) this.#expect();
    return owed;
  }

  /** A host that owes something and says nothing is hung: V8 can hang over an isolate that ran out of memory. */
  #expect(): void {
    this.#isExpecting = this.#owed.size > 0;
    const openMs = this.#opening > 0 ? OPEN_MS : 0;
    const quietMs = MOST_DEADLINES * this.#slowestTurnMs + GRACE_MS + openMs;
    this.#process?.expect(this.#isExpecting ? quietMs : undefined);
    this.#process?.awaited(this.#isExpecting);
  }

  #died(death: HostDeath): void {
    this.#death = death;
    this.#onGone();
    let isLoading = false;
    for (const { isOpening, reject } of this.#owed.values()) {
      // Of what is to be loaded behind the first one it has not heard.
      reject(this.#hostDied(death, isOpening && isLoading ? { wasIdle: true } : {}));
      isLoading ||= isOpening;
    }
    this.#owed.clear();
  }

  #hostDied({ code, signal, reason }: HostDeath, details: { readonly wasIdle?: true } = {}): VnesError {
    return sandboxErrors.create("SANDBOX_HOST_DIED", { group: this.group, reason, signal, code, ...details });
  }
}
