/**
 * One process with one capsule instance in it, as the kernel holds it: started, told what to run, killed. What is said in between
 * is its instance's business (`process-instance.ts`).
 */
import {
  type HostProcess,
  type HostProgram,
  type ProcessUsage,
  spawnHost,
  type Wall,
} from "@vnes/driver-host";
import { hostBounds, sandboxErrors, type ToHost } from "@vnes/driver-sandbox";
import type { SandboxSpec } from "@vnes/kernel";
import type { CapsuleLanguage, VnesError } from "@vnes/schemas";

/** Everything a capsule does when it is loaded; a cold disk and a busy machine included. */
const OPEN_MS = 5_000;
const MAX_REASON = 500;
const NOTHING: ProcessUsage = { memoryKb: 0, threads: 0, cpuMs: 0 };
/** The only instance of its process. */
export const ONLY_ID = 0;

export interface ProcessOptions {
  readonly spec: SandboxSpec;
  readonly language: CapsuleLanguage;
  readonly program: HostProgram;
  readonly bundle: string;
  readonly wall: Wall;
}

/** What came from it, unjudged: an object, and nothing else is known of it. */
export type FromProcess = { readonly [name: string]: unknown };

interface Listener {
  /** A promise: nothing more is read until it settles. */
  message(message: FromProcess, text: Buffer): Promise<void> | undefined;
  /** Unless it was killed by `kill`. */
  died(error: VnesError): void;
}

export class CapsuleProcess {
  readonly #options: ProcessOptions;
  readonly #listener: Listener;
  readonly #opened: PromiseWithResolvers<void> = Promise.withResolvers();
  #process: HostProcess | undefined;
  #spawning: Promise<HostProcess> | undefined;
  #isOpen = false;
  #isKilled = false;

  constructor(options: ProcessOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#opened.promise.catch(() => undefined);
  }

  /** Rejects as `Sandbox.open` does. */
  async start(): Promise<void> {
    const { spec, language, program, bundle, wall } = this.#options;
    const { instance, entry, limits, group, confinement } = spec;
    try {
      this.#spawning = spawnHost({
        name: `${language}:${instance}`,
        program,
        wall,
        ...hostBounds(confinement),
        onMessage: (message, text) => this.#receive(message, text),
        onDeath: ({ reason, signal, code }) => this.#died(hostDied(spec, reason, { signal, code })),
      });
      this.#process = await this.#spawning;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw sandboxErrors.create("SANDBOX_HOST_START_FAILED", { group, reason }, cause);
    }
    if (this.#isKilled) throw hostDied(spec, "it was stopped");
    this.send({ do: "open", id: ONLY_ID, instance, entry, limits }, bundle);
    const timer = setTimeout(() => this.#broken(`it did not load within ${OPEN_MS} ms`), OPEN_MS);
    try {
      await this.#opened.promise;
      this.#isOpen = true;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get usage(): ProcessUsage {
    return this.#process?.usage() ?? NOTHING;
  }

  /** Whether an answer to a turn is. */
  awaited(isAwaited: boolean): void {
    this.#process?.awaited(isAwaited);
  }

  send(message: ToHost, text?: string): void {
    this.#process?.send(message, text);
  }

  rest(isResting: boolean): void {
    this.#process?.rest(isResting);
  }

  /** Nothing of it is heard after this. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#opened.reject(hostDied(this.#options.spec, "it was stopped"));
    // One that does not start ends by itself.
    await (await this.#spawning?.catch(() => undefined))?.kill();
  }

  #receive(message: unknown, text: Buffer): Promise<void> | undefined {
    if (this.#isKilled) return undefined;
    const told = typeof message === "object" && message !== null ? (message as FromProcess) : {};
    if (this.#isOpen) return this.#listener.message(told, text);
    if (told["did"] === "open") {
      this.#isOpen = true;
      this.#opened.resolve();
      return undefined;
    }
    const { reason } = told;
    if (told["did"] !== "fail") this.#broken("it says something else than that it is open");
    else this.#broken(typeof reason === "string" ? reason.slice(0, MAX_REASON) : "no reason given");
    return undefined;
  }

  #broken(reason: string): void {
    const { instance, entry } = this.#options.spec;
    this.#opened.reject(sandboxErrors.create("SANDBOX_BUNDLE_BROKEN", { instance, entry, reason }));
  }

  #died(error: VnesError): void {
    this.#opened.reject(error);
    if (this.#isOpen && !this.#isKilled) this.#listener.died(error);
  }
}

export function hostDied(
  { group }: SandboxSpec,
  reason: string,
  details: { readonly signal?: string | null; readonly code?: number | null } = {},
): VnesError {
  return sandboxErrors.create("SANDBOX_HOST_DIED", { group, reason, ...details });
}
