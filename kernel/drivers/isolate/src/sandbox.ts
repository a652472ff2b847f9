/**
 * `Sandbox` on V8 isolates: one child process for each group of instances, started when its first instance opens and
 * ended with its last. No capsule's code runs in this process.
 */
import {
  imageFile,
  type RepeatedBatch,
  type Sandbox,
  type SandboxInstance,
  type SandboxMeters,
  type SandboxSpec,
} from "@vnes/kernel";
import { isVnesError, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { sandboxErrors } from "./errors.ts";
import {
  invalidResult,
  isAsExpected,
  type Judged,
  type JudgedRequest,
  parseResults,
  partsOf,
} from "./parse-results.ts";
import { type Delivered, SandboxHost } from "./sandbox-host.ts";

/** Each round has at least one new key. */
const MAX_ROUNDS = 1_024;

export function openIsolateSandbox(): Sandbox {
  return new IsolateSandbox();
}

class IsolateSandbox implements Sandbox {
  readonly #hosts = new Map<string, Promise<SandboxHost>>();
  readonly #running = new Set<SandboxHost>();

  async open(spec: SandboxSpec): Promise<SandboxInstance> {
    const bundle = bundleOf(spec);
    const host = await this.#host(spec.group);
    try {
      return new IsolateInstance(spec, host, await host.open(spec, bundle));
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

  #host(group: string): Promise<SandboxHost> {
    const known = this.#hosts.get(group);
    if (known !== undefined) return known;
    const host = new SandboxHost(group, () => {
      this.#running.delete(host);
      if (this.#hosts.get(group) === starting) this.#hosts.delete(group);
    });
    this.#running.add(host);
    const starting = host.start().then(() => host);
    this.#hosts.set(group, starting);
    return starting;
  }
}

/** The numbers are those of the port's rules (`kernel/src/ports/sandbox.ts`). */
class IsolateInstance implements SandboxInstance {
  readonly #spec: SandboxSpec;
  readonly #host: SandboxHost;
  readonly #id: number;
  #nextBatch = 0;
  /** Turns that stopped what was sent behind them (2); the host counts the same. */
  #stops = 0;
  /** The turn that asked for keys last, and how often. */
  #asking: number | undefined;
  #rounds = 0;
  #turns = 0;
  #failedTurns = 0;
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
    return this.#judged(batch, stops, await this.#sent(turns, JSON.stringify(batch), stops));
  }

  async repeat({ turns, requests, expected }: RepeatedBatch): Promise<readonly TurnResult[] | undefined> {
    if (turns.length === 0) return undefined;
    const stops = this.#stops;
    const delivered = await this.#sent(turns, requests, stops);
    if (stops !== this.#stops || stops !== delivered.stops || !isAsExpected(delivered.text, expected)) {
      const batch = turns.map((turn) => ({ turn }));
      return this.#judged(batch, stops, delivered);
    }
    this.#asking = undefined;
    this.#turns += turns.length;
    return undefined;
  }

  /** `stops`: those known of when the batch leaves. */
  #sent(turns: readonly number[], requests: string | Uint8Array, stops: number): Promise<Delivered> {
    const message = { do: "deliver", id: this.#id, batch: this.#nextBatch++, stops, turns } as const;
    const sent = this.#host.deliver(message, requests);
    this.#inFlight = sent.catch(() => undefined);
    return sent;
  }

  #judged(
    batch: readonly JudgedRequest[],
    stops: number,
    { text, stops: now }: Delivered,
  ): readonly TurnResult[] {
    // Sent before an answer that stopped everything behind it (2), whatever the host has made of it meanwhile.
    if (stops !== this.#stops)
      return batch.map(({ turn }) => ({ turn, kind: "needKeys", keys: [], ranges: [] }));
    const { effectBytes } = this.#spec.limits;
    const { results, invalid } = this.#bounded(parseResults(partsOf(text), batch, effectBytes));
    this.#stops = invalid === undefined ? now : now + 1;
    if (invalid !== undefined) this.#host.renew(this.#id, this.#stops);
    this.#count(results);
    return results;
  }

  reset(): Promise<void> {
    return this.#host.reset(this.#id);
  }

  async meters(): Promise<SandboxMeters> {
    const { cpuMs, heapBytes, hostBytes } = await this.#host.meters(this.#id);
    const { pid, group } = this.#host;
    return {
      turns: this.#turns,
      failedTurns: this.#failedTurns,
      cpuMs,
      memoryBytes: heapBytes,
      host: { group, pid, memoryBytes: hostBytes },
    };
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#inFlight.then(() => this.#host.close(this.#id));
    return this.#disposing;
  }

  /** A turn that always asks for one more key would be delivered for ever. */
  #bounded(judged: Judged): Judged {
    const index = judged.results.findIndex(({ kind }) => kind === "needKeys");
    const turn = judged.results[index]?.turn;
    this.#rounds = turn === this.#asking ? this.#rounds + 1 : 1;
    this.#asking = turn;
    if (turn === undefined || this.#rounds <= MAX_ROUNDS) return judged;
    const reason = `it asked for more keys ${this.#rounds} times; a turn that needs many reads a prefix with entries`;
    return { results: judged.results.with(index, invalidResult(turn, reason)), invalid: reason };
  }

  #count(results: readonly TurnResult[]): void {
    for (const { kind } of results) {
      if (kind !== "needKeys") this.#turns += 1;
      if (kind === "failed") this.#failedTurns += 1;
    }
  }
}

function bundleOf({ instance, image, entry }: SandboxSpec): string {
  const file = imageFile(image, entry);
  if (file === undefined) {
    throw sandboxErrors.create("SANDBOX_BUNDLE_BROKEN", {
      instance,
      entry,
      reason: "the image has no such file",
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(file.bytes);
  } catch (cause) {
    throw sandboxErrors.create(
      "SANDBOX_BUNDLE_BROKEN",
      { instance, entry, reason: "it is not UTF-8" },
      cause,
    );
  }
}
