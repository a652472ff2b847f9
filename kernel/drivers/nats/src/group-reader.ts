/**
 * Reads a group's stream in order, from a sequence on and then as messages come, for as long as the node runs. Owns one
 * consumer on the server at a time and makes a new one whenever that one may have missed something.
 *
 * R1. Messages are handed on in stream order, each once. A gap in the consumer's own count, a missed heartbeat and a new
 *     connection all end the consumer; the next one starts after the last message handed on.
 */
import { AckPolicy, DeliverPolicy, type JetStreamManager, ReplayPolicy } from "@nats-io/jetstream";
import {
  createInbox,
  type Msg,
  nanos,
  type NatsConnection,
  type Subscription,
} from "@nats-io/transport-node";
import type { MessageKind } from "./control-message.ts";
import type { StreamMessage } from "./group-fold.ts";

const HEARTBEAT_MS = 1_000;
/** Two heartbeats may be late on a busy machine, three are not. */
const SILENCE_MS: number = 3 * HEARTBEAT_MS;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;
/** The server forgets a consumer nobody listens to. */
const INACTIVE_MS = 30_000;

export interface GroupReaderParts {
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  onMessage(message: StreamMessage): void;
}

export class GroupReader {
  readonly #parts: GroupReaderParts;
  #subscription: Subscription | undefined;
  #consumer: string | undefined;
  #delivered = 0;
  #next = 1;
  #heardAt = 0;
  #starting: Promise<void> | undefined;
  /** Started, so that a consumer that ends is followed by another one. */
  #isFollowing = false;
  #isStopped = false;
  /** The server's clock minus this process's monotonic one, when a consumer was last made. */
  #serverOffsetMs: number | undefined;

  constructor(parts: GroupReaderParts) {
    this.#parts = parts;
  }

  /** The server's clock, as far as the making of a consumer tells it. */
  serverNow(): number | undefined {
    return this.#serverOffsetMs === undefined ? undefined : performance.now() + this.#serverOffsetMs;
  }

  /** Reads from there on. Rejects when the consumer cannot be made; later ones are tried until `stop`. */
  async start(from: number): Promise<void> {
    await this.halt();
    this.#next = from;
    await this.#open();
    this.#isFollowing = true;
  }

  /** Resolves once no message can come any more. */
  async halt(): Promise<void> {
    this.#isFollowing = false;
    await this.#starting;
    this.#drop();
  }

  /** Makes a new consumer, unless one is being made. */
  restart(): void {
    if (!this.#isFollowing || this.#starting !== undefined) return;
    this.#starting = this.#openUntilItWorks().finally(() => {
      this.#starting = undefined;
    });
  }

  /** Called now and then: a consumer that went silent is replaced. */
  tick(): void {
    if (performance.now() - this.#heardAt > SILENCE_MS) this.restart();
  }

  stop(): void {
    this.#isStopped = true;
    this.#isFollowing = false;
    this.#drop();
  }

  async #openUntilItWorks(): Promise<void> {
    for (let delay = FIRST_RETRY_MS; this.#isFollowing; delay = Math.min(delay * 2, MAX_RETRY_MS)) {
      try {
        await this.#open();
        return;
      } catch {
        // What stands in the way is the writer's news: it notices that nothing is confirmed.
        await new Promise((resume) => setTimeout(resume, delay).unref());
      }
    }
  }

  async #open(): Promise<void> {
    this.#drop();
    const { connection, jsm, stream } = this.#parts;
    const inbox = createInbox();
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null && this.#subscription === subscription) this.#receive(message);
      },
    });
    this.#subscription = subscription;
    this.#delivered = 0;
    this.#heardAt = performance.now();
    try {
      const info = await jsm.consumers.add(stream, {
        deliver_subject: inbox,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: this.#next,
        ack_policy: AckPolicy.None,
        replay_policy: ReplayPolicy.Instant,
        max_deliver: 1,
        flow_control: true,
        idle_heartbeat: nanos(HEARTBEAT_MS),
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
      });
      this.#consumer = info.name;
      this.#serverOffsetMs = Date.parse(info.created) - performance.now();
      this.#heardAt = performance.now();
    } catch (error) {
      if (this.#subscription === subscription) this.#drop();
      throw error;
    }
    if (this.#isStopped) this.#drop();
  }

  #drop(): void {
    const { connection, jsm, stream } = this.#parts;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    const consumer = this.#consumer;
    this.#consumer = undefined;
    // The server would forget it by itself; this is tidiness.
    if (consumer !== undefined && !connection.isClosed())
      jsm.consumers.delete(stream, consumer).catch(() => undefined);
  }

  #receive(message: Msg): void {
    this.#heardAt = performance.now();
    if (message.headers?.code === 100) {
      this.#answerStatus(message);
      return;
    }
    const place = placeOf(message.reply);
    if (place === undefined) return;
    if (place.delivered !== this.#delivered + 1 || place.seq < this.#next) {
      this.restart();
      return;
    }
    this.#delivered = place.delivered;
    this.#next = place.seq + 1;
    const kind = kindOf(message.subject);
    this.#parts.onMessage({ kind, seq: place.seq, at: place.at, data: message.data });
  }

  /** Flow control asks for an answer; a heartbeat says how far the consumer is. */
  #answerStatus({ reply, headers }: Msg): void {
    const { connection } = this.#parts;
    const stalled = headers?.get("Nats-Consumer-Stalled") ?? "";
    if (reply !== undefined && reply !== "") connection.publish(reply);
    if (stalled !== "") connection.publish(stalled);
    const last = headers?.get("Nats-Last-Consumer") ?? "";
    if (last !== "" && Number(last) !== this.#delivered) this.restart();
  }
}

const KIND_TOKEN = 4;

/** `vnes.<namespace>.ledger.<group>.<kind>[.<boot>]` */
function kindOf(subject: string): MessageKind {
  return subject.split(".")[KIND_TOKEN] as MessageKind;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`; with a domain, two tokens
 * stand before the stream and one may follow (ADR-15 of nats-architecture-and-design).
 */
function placeOf(
  reply: string | undefined,
): { readonly seq: number; readonly delivered: number; readonly at: number } | undefined {
  const tokens = reply?.split(".") ?? [];
  const offset = tokens.length >= 11 ? 2 : 0;
  if (tokens.length < 9 || tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  return {
    seq: Number(tokens[offset + 5]),
    delivered: Number(tokens[offset + 6]),
    at: Math.floor(Number(tokens[offset + 7]) / 1e6),
  };
}
