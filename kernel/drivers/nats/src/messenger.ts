/**
 * The messenger's wire on plain NATS publish and subscribe. It wants a connection of its own: the ledger's large messages
 * would hold back small ones.
 *
 * Owns the count of bytes the server has not confirmed having read. The client's own buffer has no bound, so beyond
 * `MAX_UNREAD_BYTES` nothing more is put into it; while there is no connection nothing is put into it at all.
 */
import {
  type Clock,
  type MessageWire,
  type Messenger,
  type Random,
  WireMessenger,
  type WireProblem,
} from "@vnes/kernel";
import type { Bus } from "./connection.ts";
import { maxPayload } from "./message-size.ts";

/** A tenth of a second of a gigabit: more waiting than this is a connection that does not keep up. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
/** How often the server is asked how far it has read: seldom enough to cost nothing, often enough to see it keep up. */
const ASK_EVERY_BYTES = 256 * 1024;
/** What a message costs beside its bytes, in the client's buffer. */
const MESSAGE_OVERHEAD_BYTES = 64;

export interface NatsMessengerOptions {
  /** Opened with `noEcho`, since a node does not hear itself; closed with the messenger. */
  readonly bus: Bus;
  /** Keeps systems that share a server apart; part of every subject. */
  readonly namespace: string;
  readonly node: string;
  readonly clock: Pick<Clock, "now" | "wakeAt">;
  readonly random: Random;
}

export function natsMessenger(options: NatsMessengerOptions): Messenger {
  const { bus, namespace, node, clock, random } = options;
  return new WireMessenger(new NatsWire(bus, namespace, node), clock, random);
}

class NatsWire implements MessageWire {
  readonly node: string;
  readonly #bus: Bus;
  readonly #prefix: string;
  #isClosed = false;
  #sentBytes = 0;
  #readBytes = 0;
  #askedBytes = 0;

  constructor(bus: Bus, namespace: string, node: string) {
    this.node = node;
    this.#bus = bus;
    this.#prefix = `vnes.${namespace}.m.`;
  }

  get maxMessageBytes(): number {
    return maxPayload(this.#bus);
  }

  send(subject: string, bytes: Uint8Array): WireProblem | undefined {
    if (this.#isClosed || !this.#bus.isConnected) return "gone";
    if (this.#sentBytes - this.#readBytes > MAX_UNREAD_BYTES) return "slow";
    try {
      this.#bus.connection.publish(this.#prefix + subject, bytes);
    } catch {
      // Closed behind our back, or a server that takes less than it said: nothing of it has left.
      return "gone";
    }
    this.#sentBytes += bytes.length + MESSAGE_OVERHEAD_BYTES;
    if (this.#sentBytes - this.#askedBytes > ASK_EVERY_BYTES) this.#ask();
    return undefined;
  }

  listen(subject: string, onMessage: (bytes: Uint8Array) => void): () => void {
    const subscription = this.#bus.connection.subscribe(this.#prefix + subject, {
      callback: (error, { data }) => {
        if (error === null) onMessage(data);
      },
    });
    return () => {
      if (!this.#bus.connection.isClosed()) subscription.unsubscribe();
    };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  async flush(): Promise<void> {
    if (this.#bus.isConnected) await this.#bus.connection.flush().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    this.#isClosed = true;
    await this.#bus[Symbol.asyncDispose]();
  }

  #ask(): void {
    const sent = this.#sentBytes;
    this.#askedBytes = sent;
    // When the connection breaks first, what was on its way is lost and waits nowhere: read or lost, it is over.
    const over = (): void => {
      this.#readBytes = Math.max(this.#readBytes, sent);
    };
    this.#bus.connection.flush().then(over, over);
  }
}
