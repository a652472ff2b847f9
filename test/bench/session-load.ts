/** Clients of a session store by number: each has a key and a session; they are made, attached, and jump. */
import type { Node } from "@vnes/kernel";
import type { Json, JsonObject } from "@vnes/schemas";
import { processorUs } from "./processor-time.ts";
import type { SessionNode } from "./session-node.ts";

const CALL_TIMEOUT_MS = 60_000;
/** Long enough that no clock acts in a measurement, and switches as many as are asked for. */
const POLICY = { sessionTtlMs: 2_592_000_000, transportLossTtlMs: 86_400_000, maxSwitchesPerMinute: 600 };

/** What a client knows of its session. */
interface Held {
  readonly sessionId: string;
  version: number;
  epoch: number;
}

export interface Cost {
  readonly perSecond: number;
  /** Of the kernel's process and the host's, for one request. */
  readonly kernelUs: number;
  readonly hostUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class SessionLoad {
  readonly #node: Node;
  readonly #hostPid: number;
  readonly #held = new Map<number, Held>();
  /** In every identifier of a request, so that two loads of one store never ask the same. */
  readonly #run = Date.now().toString(36);
  #asked = 0;

  constructor({ node, hostPid }: SessionNode) {
    this.#node = node;
    this.#hostPid = hostPid;
  }

  /** Two transitions each: made, and attached. */
  fill(from: number, to: number, inFlight: number): Promise<Cost> {
    return this.#measure(to - from, inFlight, async (nth) => {
      const client = from + nth;
      const held = await this.#find(client);
      const attach = { nonce: this.#id("nat"), channelId: this.#id("chn"), pathId: "wifi" };
      this.#accepted(held, await this.#ask("attach", { ...this.#who(client, held), ...attach }));
    });
  }

  /** One transition each, of clients taken at random from the first `among`. */
  reattach(count: number, among: number, inFlight: number): Promise<Cost> {
    return this.#jumps(count, inFlight, () => Math.floor(Math.random() * among));
  }

  /** One transition each, of these clients. */
  reattachOf(clients: readonly number[], inFlight: number): Promise<Cost> {
    return this.#jumps(clients.length, inFlight, (nth) => clients[nth] ?? 0);
  }

  #jumps(count: number, inFlight: number, clientOf: (nth: number) => number): Promise<Cost> {
    const busy = new Map<number, Promise<void>>();
    return this.#measure(count, inFlight, async (nth) => {
      const client = clientOf(nth);
      // A client waits for its answer before it asks again.
      const jumping = (busy.get(client) ?? Promise.resolve()).then(() => this.#jump(client));
      busy.set(client, jumping);
      await jumping;
    });
  }

  /** Lets go of what clients know, which would count as memory of the store; `meet` finds it again. */
  forget(): void {
    this.#held.clear();
  }

  /** Learns where sessions that an earlier load made stand, so that it is no part of a measurement. */
  async meet(clients: Iterable<number>): Promise<void> {
    for (const client of clients) if (!this.#held.has(client)) await this.#find(client);
  }

  async #jump(client: number): Promise<void> {
    const held = this.#held.get(client) ?? (await this.#find(client));
    const { version, epoch } = held;
    const to = { nonce: this.#id("nre"), channelId: this.#id("chn"), pathId: "lte" };
    this.#accepted(held, await this.#ask("reattach", { ...this.#who(client, held), ...to, version, epoch }));
  }

  /** The creation of a client has one nonce: it makes its session, or finds it. */
  async #find(client: number): Promise<Held> {
    const nonce = `non_${String(client).padStart(20, "0")}`;
    const made = await this.#ask("create", { owner: ownerOf(client), nonce, policy: POLICY });
    const { sessionId, version, epoch, outcome } = made as unknown as Held & { readonly outcome: string };
    if (outcome !== "accepted") throw new Error(`client ${client}: ${JSON.stringify(made)}`);
    const held = { sessionId, version, epoch };
    this.#held.set(client, held);
    return held;
  }

  #who(client: number, { sessionId }: Held): JsonObject {
    return { sessionId, owner: ownerOf(client) };
  }

  #accepted(held: Held, answer: JsonObject): void {
    const { outcome, version, epoch } = answer as unknown as Held & { readonly outcome: string };
    if (outcome !== "accepted" || version !== held.version + 1 || epoch !== held.epoch + 1)
      throw new Error(`${JSON.stringify(held)} came to ${JSON.stringify(answer)}`);
    Object.assign(held, { version, epoch });
  }

  async #ask(method: string, input: Json): Promise<JsonObject> {
    const answer = await this.#node.call("vpn.session", method, input, CALL_TIMEOUT_MS);
    if (!answer.ok) throw new Error(`${method}: ${answer.code}: ${answer.message}`);
    return answer.value as JsonObject;
  }

  #id(kind: string): string {
    return `${kind}_${this.#run}${String(++this.#asked).padStart(20 - this.#run.length, "0")}`;
  }

  /** Each of `inFlight` workers goes on with the next as soon as it is done. */
  async #measure(count: number, inFlight: number, work: (nth: number) => Promise<void>): Promise<Cost> {
    const took = new Float64Array(count);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let nth = next++; nth < count; nth = next++) {
        const startedAt = performance.now();
        await work(nth);
        took[nth] = performance.now() - startedAt;
      }
    };
    const hostBefore = processorUs(this.#hostPid);
    const before = process.cpuUsage();
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: inFlight }, worker));
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(before);
    const hostUs = processorUs(this.#hostPid) - hostBefore;
    took.sort();
    return {
      perSecond: count / seconds,
      kernelUs: (user + system) / count,
      hostUs: hostUs / count,
      p50Ms: took[Math.floor(count / 2)] ?? 0,
      p99Ms: took[Math.floor(count * 0.99)] ?? 0,
    };
  }
}

/** No key anybody has: the store takes it for what the gateway says was proven. */
function ownerOf(client: number): string {
  return `${String(client).padStart(43, "0")}=`;
}
