/**
 * A network between the nodes of one process. Without faults it delivers everything once, in order, one round of the
 * event loop later; with faults it loses, repeats, delays and cuts off as its seed says, the same in every run.
 */
import { type Clock, type MessageWire, type Messenger, WireMessenger, type WireProblem } from "@vnes/kernel";
import { SeededRandom } from "./random.ts";

export interface HubFaults {
  readonly seed: number;
  /** Messages of a hundred that are lost, that arrive twice. */
  readonly lossPercent?: number;
  readonly repeatPercent?: number;
  /** A message waits up to so many rounds of the event loop more, and others overtake it. */
  readonly maxDelayRounds?: number;
  /** Delivers later instead, `rounds` later than a message without delay: for a network that takes virtual time. */
  readonly later?: (rounds: number, run: () => void) => void;
}

/** What NATS takes unless it is told otherwise. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

export class MessengerHub {
  readonly maxMessageBytes: number;
  #faults: HubFaults;
  readonly #random: SeededRandom;
  readonly #listeners = new Map<string, Set<{ readonly node: string; hear(bytes: Uint8Array): void }>>();
  readonly #cut = new Set<string>();
  /** Messages that did not arrive: lost, cut off, or nobody was listening. */
  lost = 0;
  repeated = 0;

  constructor(faults: HubFaults = { seed: 1 }, maxMessageBytes: number = MAX_MESSAGE_BYTES) {
    this.#faults = faults;
    this.#random = new SeededRandom(faults.seed);
    this.maxMessageBytes = maxMessageBytes;
  }

  /** The node's connection is gone: it sends and hears nothing, and is told so. */
  disconnect(node: string): void {
    this.#cut.add(node);
  }

  connect(node: string): void {
    this.#cut.delete(node);
  }

  /** Messages from one to the other vanish, and neither is told. */
  partition(from: string, to: string): void {
    this.#cut.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** From now on everything arrives once and in order. */
  calm(): void {
    this.heal();
    const { seed, later } = this.#faults;
    this.#faults = later === undefined ? { seed } : { seed, later };
  }

  isConnected(node: string): boolean {
    return !this.#cut.has(node);
  }

  send(from: string, subject: string, bytes: Uint8Array): void {
    const copy = bytes.slice();
    for (const listener of this.#listeners.get(subject) ?? []) {
      if (listener.node === from) continue;
      const { lossPercent = 0, repeatPercent = 0 } = this.#faults;
      if (this.#random.below(100) < lossPercent) {
        this.lost++;
        continue;
      }
      this.#deliver(from, listener, copy);
      if (this.#random.below(100) >= repeatPercent) continue;
      this.repeated++;
      this.#deliver(from, listener, copy);
    }
  }

  listen(node: string, subject: string, hear: (bytes: Uint8Array) => void): () => void {
    const listener = { node, hear };
    const here = this.#listeners.get(subject) ?? new Set();
    this.#listeners.set(subject, here.add(listener));
    return () => {
      here.delete(listener);
      if (here.size === 0) this.#listeners.delete(subject);
    };
  }

  #deliver(
    from: string,
    listener: { readonly node: string; hear(bytes: Uint8Array): void },
    bytes: Uint8Array,
  ): void {
    const { maxDelayRounds = 0, later } = this.#faults;
    let rounds = maxDelayRounds === 0 ? 0 : this.#random.below(maxDelayRounds + 1);
    const hear = (): void => {
      const { node } = listener;
      if (this.#cut.has(node) || this.#cut.has(`${from} ${node}`)) this.lost++;
      else listener.hear(bytes);
    };
    if (later !== undefined) {
      later(rounds, hear);
      return;
    }
    const arrive = (): void => {
      if (rounds-- > 0) setImmediate(arrive);
      else hear();
    };
    setImmediate(arrive);
  }
}

/** One node's end of the hub. */
class HubWire implements MessageWire {
  readonly node: string;
  readonly #hub: MessengerHub;
  readonly #unlisten = new Set<() => void>();

  constructor(hub: MessengerHub, node: string) {
    this.#hub = hub;
    this.node = node;
  }

  get maxMessageBytes(): number {
    return this.#hub.maxMessageBytes;
  }

  send(subject: string, bytes: Uint8Array): WireProblem | undefined {
    if (!this.#hub.isConnected(this.node)) return "gone";
    this.#hub.send(this.node, subject, bytes);
    return undefined;
  }

  listen(subject: string, onMessage: (bytes: Uint8Array) => void): () => void {
    const unlisten = this.#hub.listen(this.node, subject, onMessage);
    this.#unlisten.add(unlisten);
    return () => {
      this.#unlisten.delete(unlisten);
      unlisten();
    };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  async flush(): Promise<void> {
    await new Promise((resume) => setImmediate(resume));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten();
    this.#unlisten.clear();
  }
}

export function memoryMessenger(
  hub: MessengerHub,
  node: string,
  clock: Pick<Clock, "now" | "wakeAt">,
  seed = 1,
): Messenger {
  return new WireMessenger(new HubWire(hub, node), clock, new SeededRandom(seed));
}
