/**
 * What a gateway's turns cost at 10^3, 10^4 and 10^5 mirrors: the bundled capsule in its isolate, given the keys it asks for by a
 * table in this process, as a kernel would. Processor time of both.
 */
import { fileURLToPath } from "node:url";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { SandboxInstance } from "@vnes/kernel";
import type { Answer, Delivery, Json, JsonObject, TurnResult } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import gateway from "../../capsules/vpn/gateway/src/main.ts";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { processorUs } from "./processor-time.ts";
import { growth } from "./growth.ts";
import type { BenchResult } from "./result.ts";

const SIZES = [1_000, 10_000, 100_000] as const;
const TURNS = 500;
/** Before anything is measured, so that the first size is not the compiler's. */
const WARM_UP = 1_000;
/** As the kernel gives it. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** What `state_mb` counts for a key beside its name and value (K5). */
const KEY_BYTES = 96;
const START_AT = 1_700_000_000_000;

export const name = "gateway";

export const notMeasured: readonly string[] = [
  "the ledger: nothing is recorded, checked against schemas or released",
  "batches: each turn crosses by itself, and once more for each time it asks for keys",
];

export async function run(): Promise<readonly BenchResult[]> {
  const main = fileURLToPath(new URL("../../capsules/vpn/gateway/src/main.ts", import.meta.url));
  const bundle = await bundleSource(`export { default } from ${JSON.stringify(main)};`);
  await using sandbox = openHostSandbox(isolateExecutor);
  const limits = { turnMs: 1_000, memoryMb: 64, cacheBytes: CACHE_BYTES };
  const desk = new Desk(await sandbox.open(specOf(bundle, { limits })));
  await desk.open();
  const costs: { readonly [kind: string]: number }[] = [];
  const bytes: number[] = [];
  for (const size of SIZES) {
    await desk.fill(size);
    for (let turn = 0; size === SIZES[0] && turn < WARM_UP; turn++) {
      for (const act of Object.values(desk.turns)) await act();
    }
    const measured: Record<string, number> = {};
    for (const [kind, turn] of Object.entries(desk.turns)) measured[kind] = await desk.costOf(turn);
    costs.push(measured);
    bytes.push(desk.stateBytes() / size);
  }
  const titles = SIZES.map((size) => `${size.toLocaleString("en")} sessions`);
  const kinds: { readonly [kind: string]: string } = {
    frame: "a ping answered",
    moved: "a transition followed",
    watch: "a page of the watch, and the answer to its question",
  };
  return [
    ...Object.entries(kinds).flatMap(([kind, what]) =>
      growth(
        (title) => `${what}, ${title}`,
        titles,
        costs.map((measured) => measured[kind] ?? 0),
      ),
    ),
    {
      metric: `state a session, ${titles.at(-1)}, as state_mb counts it`,
      value: bytes.at(-1) ?? 0,
      unit: "bytes",
    },
  ];
}

class Desk {
  readonly #instance: SandboxInstance;
  readonly #keys = new KeyTable();
  #hostPid = 0;
  #isHere = false;
  #turn = 0;
  #at = START_AT;
  #sessions = 0;
  #version = 2;
  #next = 0;
  /** Questions about channels that were not answered yet. */
  #asked: { readonly tag: string; readonly context: Json; readonly channelIds: readonly string[] }[] = [];

  constructor(instance: SandboxInstance) {
    this.#instance = instance;
  }

  readonly turns = {
    frame: async (): Promise<void> => {
      const n = this.#any();
      const frame = {
        v: 1,
        type: "ping",
        nonce: "non_0000000000",
        sessionId: sessionOf(n),
        size: 0,
        below: null,
      };
      await this.#channel(n, { event: "frame", frame });
    },
    moved: async (): Promise<void> => {
      this.#version++;
      await this.#moved(this.#any());
    },
    watch: async (): Promise<void> => {
      this.#at += 100;
      await this.#deliver({ kind: "timer", id: "watch", dueAt: this.#at, payload: null });
      for (const { tag, context, channelIds } of this.#asked.splice(0)) {
        const channels = channelIds.map((channelId) => ({ channelId, silent: false, active: true }));
        const answer: Answer = { ok: true, value: { channels, unknown: [] } };
        await this.#deliver({ kind: "answer", callId: "c", tag, context, answer });
      }
    },
  };

  async open(): Promise<void> {
    this.#hostPid = (await this.#instance.meters()).host.pid;
    await this.#deliver({ kind: "start", config: { admit: "any" }, resumed: false });
  }

  /** Each with a client's key of its own and a channel that is bound. In this process: crossings would take minutes. */
  async fill(sessions: number): Promise<void> {
    this.#isHere = true;
    gateway.reset();
    for (; this.#sessions < sessions; this.#sessions++) {
      await this.#channel(this.#sessions, { event: "opened", role: "responder" });
      await this.#moved(this.#sessions);
    }
    this.#isHere = false;
    await this.#instance.reset();
  }

  async costOf(turn: () => Promise<void>): Promise<number> {
    const host = processorUs(this.#hostPid);
    const own = process.cpuUsage();
    for (let n = 0; n < TURNS; n++) await turn();
    const { user, system } = process.cpuUsage(own);
    return (user + system + processorUs(this.#hostPid) - host) / TURNS;
  }

  stateBytes(): number {
    let bytes = 0;
    for (const [key, value] of this.#keys.values)
      bytes += key.length + JSON.stringify(value).length + KEY_BYTES;
    return bytes;
  }

  /** Far from the last one, so that caches hold what they hold of a store this large. */
  #any(): number {
    this.#next = (this.#next + 7_919) % this.#sessions;
    return this.#next;
  }

  #channel(n: number, event: JsonObject): Promise<void> {
    const whole = { channelId: channelOf(n), pathId: "udp", peer: peerOf(n), ...event };
    return this.#event("vpn.channel.v1", whole);
  }

  #moved(n: number): Promise<void> {
    return this.#event("vpn.session.v1", {
      ...{
        sessionId: sessionOf(n),
        owner: peerOf(n),
        version: this.#version,
        from: "ATTACHED",
        to: "ATTACHED",
      },
      ...{ trigger: "reattach", reason: "REATTACHED", epoch: 1, bindings: 1, released: null, evidence: {} },
      ...{ binding: { channelId: channelOf(n), pathId: "udp" }, at: this.#at },
    });
  }

  #event(topic: string, event: JsonObject): Promise<void> {
    return this.#deliver({ kind: "event", topic, event, key: "", partition: 0, seq: null });
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const turn = ++this.#turn;
    let request = { turn, at: this.#at++, seed: turn.toString(16).padStart(16, "0"), delivery };
    for (;;) {
      const [result] = this.#isHere
        ? [gateway.deliver(request)]
        : ((await this.#instance.deliver([request])) as [TurnResult]);
      if (result.kind === "done") return this.#take(result);
      if (result.kind === "failed") throw new Error(`${result.code}: ${result.message}`);
      request = this.#keys.serve(request, result) as typeof request;
    }
  }

  #take({ effects }: Extract<TurnResult, { kind: "done" }>): void {
    this.#keys.apply(effects);
    for (const effect of effects) {
      if (effect.do !== "call" || effect.method !== "channels") continue;
      const { channelIds } = effect.input as { readonly channelIds: readonly string[] };
      this.#asked.push({ tag: effect.tag, context: effect.context, channelIds });
    }
  }
}

const peerOf = (n: number): string => `${String(n).padStart(43, "A")}=`;
const sessionOf = (n: number): string => `ses_${String(n).padStart(20, "0")}`;
const channelOf = (n: number): string => `chn_${String(n).padStart(20, "0")}`;
