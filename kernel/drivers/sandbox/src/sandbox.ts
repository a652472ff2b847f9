/**
 * `Sandbox` in host processes, for one language: one host for each group of instances, started when its first instance opens and
 * ended with its last. No capsule's code runs in this process.
 */
import { type WallOf, wallsMissing } from "@vnes/driver-host";
import type { RepeatedBatch, Sandbox, SandboxInstance, SandboxMeters, SandboxSpec } from "@vnes/kernel";
import { isVnesError, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { sandboxErrors } from "./errors.ts";
import type { Executor } from "./executor.ts";
import {
  AT_ONCE_BYTES,
  isAsExpected,
  type Judged,
  type JudgedRequest,
  notRun,
  parseResults,
} from "./parse-results.ts";
import { pause, RenewalPace } from "./renewal-pace.ts";
import { type Delivered, SandboxHost } from "./sandbox-host.ts";
import { atOnce, inStretches } from "./steps.ts";
import { TurnTally } from "./turn-tally.ts";

export interface HostSandboxOptions {
  /** Default: none, and a spec that asks for a wall is refused. */
  readonly wallOf?: WallOf;
}

export function openHostSandbox(
  executor: Executor,
  { wallOf = wallsMissing }: HostSandboxOptions = {},
): Sandbox {
  return new HostSandbox(executor, wallOf);
}

class HostSandbox implements Sandbox {
  readonly #executor: Executor;
  readonly #wallOf: WallOf;
  /** By group and confinement: what is confined otherwise has another host. */
  readonly #hosts = new Map<string, Promise<SandboxHost>>();
  readonly #running = new Set<SandboxHost>();

  constructor(executor: Executor, wallOf: WallOf) {
    this.#executor = executor;
    this.#wallOf = wallOf;
  }

  async open(spec: SandboxSpec): Promise<SandboxInstance> {
    const bundle = this.#executor.bundle(spec);
    const host = await this.#host(spec);
    try {
      return new HostedShard(spec, host, await host.open(spec, bundle));
    } catch (cause) {
      if (!isVnesError(cause) || cause.code !== "SANDBOX_BUNDLE_BROKEN") throw cause;
      const { instance, entry } = spec;
      throw sandboxErrors.create("SANDBOX_BUNDLE_BROKEN", { ...cause.details, instance, entry });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const hosts = [...this.#running];
    this.#hosts.clear();
    await Promise.all(hosts.map((host) => host.kill()));
  }

  #host({ group, confinement }: SandboxSpec): Promise<SandboxHost> {
    const key = `${group} ${JSON.stringify(confinement)}`;
    const known = this.#hosts.get(key);
    if (known !== undefined) return known;
    const { language } = this.#executor;
    const program = this.#executor.program();
    const wall = this.#wallOf(confinement);
    const host = new SandboxHost({ name: `${language}:${group}`, group, program, wall, confinement }, () => {
      this.#running.delete(host);
      if (this.#hosts.get(key) === starting) this.#hosts.delete(key);
    });
    this.#running.add(host);
    const starting = host.start().then(() => host);
    this.#hosts.set(key, starting);
    return starting;
  }
}

/** The numbers are those of the port's rules (`kernel/src/ports/sandbox.ts`). */
class HostedShard implements SandboxInstance {
  readonly #spec: SandboxSpec;
  readonly #host: SandboxHost;
  readonly #id: number;
  #nextBatch = 0;
  /** Turns that stopped what was sent behind them (2); the host counts the same. */
  #stops = 0;
  readonly #tally = new TurnTally();
  readonly #pace = new RenewalPace();
  /** Nothing is sent before; undefined: now. */
  #resting: Promise<void> | undefined;
  #inFlight: Promise<unknown> = Promise.resolve();
  #disposing: Promise<void> | undefined;

  constructor(spec: SandboxSpec, host: SandboxHost, id: number) {
    this.#spec = spec;
    this.#host = host;
    this.#id = id;
  }

  async deliver(batch: readonly TurnRequest[]): Promise<readonly TurnResult[]> {
    if (batch.length === 0) return [];
    const stops = this.#stops;
    const turns = batch.map(({ turn }) => turn);
    return this.#sent(turns, JSON.stringify(batch), (delivered) => this.#judged(batch, stops, delivered));
  }

  async repeat({ turns, requests, expected }: RepeatedBatch): Promise<readonly TurnResult[] | undefined> {
    if (turns.length === 0) return undefined;
    const stops = this.#stops;
    return this.#sent(turns, requests, (delivered) => {
      if (stops !== this.#stops || stops !== delivered.stops || !isAsExpected(delivered.text, expected)) {
        const batch = turns.map((turn) => ({ turn }));
        return this.#judged(batch, stops, delivered);
      }
      this.#tally.allDone(turns.length);
      return undefined;
    });
  }

  /** `judge` hears of stops that became known since the batch has left. */
  #sent<T>(
    turns: readonly number[],
    requests: string | Uint8Array,
    judge: (delivered: Delivered) => T | Promise<T>,
  ): Promise<T> {
    const stops = this.#stops;
    const message = { do: "deliver", id: this.#id, batch: this.#nextBatch++, stops, turns } as const;
    this.#tally.bytes += Buffer.byteLength(requests);
    const send = (): Promise<T> =>
      this.#host.deliver(message, requests, (delivered) => {
        this.#tally.bytes += delivered.text.length;
        if (delivered.hasSpoilt) this.#rest();
        return judge(delivered);
      });
    const sent = this.#resting === undefined ? send() : this.#resting.then(send);
    this.#inFlight = sent.catch(() => undefined);
    return sent;
  }

  #judged(
    batch: readonly JudgedRequest[],
    stops: number,
    { text, stops: now }: Delivered,
  ): readonly TurnResult[] | Promise<readonly TurnResult[]> {
    // Sent before an answer that stopped everything behind it (2), whatever the host has made of it meanwhile.
    if (stops !== this.#stops) return batch.map(notRun);
    const { effectBytes } = this.#spec.limits;
    const judging = parseResults(text, batch, effectBytes);
    const took = (ms: number): void => void (this.#tally.judgedMs += ms);
    if (text.length <= AT_ONCE_BYTES) return this.#settled(atOnce(judging, took), now);
    return inStretches(judging, took).then((judged) => this.#settled(judged, now));
  }

  #settled(judged: Judged, stops: number): readonly TurnResult[] {
    const { results, invalid } = this.#tally.judge(judged);
    this.#stops = invalid === undefined ? stops : stops + 1;
    if (invalid !== undefined) this.#renew();
    return results;
  }

  #renew(): void {
    this.#host.renew(this.#id, this.#stops);
    this.#rest();
  }

  /** What runs it was spoilt: by an answer that is none, by a deadline, by memory. */
  #rest(): void {
    const ms = this.#pace.waitMs(performance.now());
    if (ms === 0) return;
    const resting = pause(ms).then(() => {
      if (this.#resting === resting) this.#resting = undefined;
    });
    this.#resting = resting;
  }

  async reset(): Promise<void> {
    if (await this.#host.reset(this.#id)) this.#rest();
  }

  async meters(): Promise<SandboxMeters> {
    const { cpuMs, heapBytes, hostBytes } = await this.#host.meters(this.#id);
    const { pid, group } = this.#host;
    return {
      turns: this.#tally.turns,
      failedTurns: this.#tally.failedTurns,
      cpuMs: cpuMs + this.#tally.judgedMs,
      bytes: this.#tally.bytes,
      memoryBytes: heapBytes,
      host: { group, pid, memoryBytes: hostBytes },
    };
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#inFlight.then(() => this.#host.close(this.#id));
    return this.#disposing;
  }
}
