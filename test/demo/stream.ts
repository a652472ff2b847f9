/**
 * The numbered stream: one datagram every few milliseconds into the client's pipe, counted where the gateway forwards
 * it to. Both ends are plain UDP sockets that know nothing of sessions.
 */
import { createSocket, type Socket } from "node:dgram";

const LOOPBACK = "127.0.0.1";
export const INTERVAL_MS = 5;
const NUMBER_BYTES = 8;

export interface StreamCounts {
  readonly sent: number;
  readonly received: number;
  /** Numbers below the highest that came that did not come. */
  readonly missing: number;
  readonly duplicates: number;
  /** Came after a higher number. */
  readonly late: number;
  readonly longestPauseMs: number;
}

export class Receiver {
  readonly #socket: Socket;
  readonly #seen = new Set<number>();
  #highest = -1;
  #duplicates = 0;
  #late = 0;
  #lastAt: number | undefined;
  #longestPauseMs = 0;
  readonly port: number;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on("message", (bytes) => this.#receive(bytes));
  }

  static async open(): Promise<Receiver> {
    return new Receiver(await bound());
  }

  #receive(bytes: Uint8Array): void {
    if (bytes.length !== NUMBER_BYTES) return;
    const number = Number(Buffer.from(bytes).readBigUInt64BE());
    const at = performance.now();
    if (this.#lastAt !== undefined) this.#longestPauseMs = Math.max(this.#longestPauseMs, at - this.#lastAt);
    this.#lastAt = at;
    if (this.#seen.has(number)) this.#duplicates += 1;
    else if (number < this.#highest) this.#late += 1;
    this.#seen.add(number);
    this.#highest = Math.max(this.#highest, number);
  }

  /** From now on, so that the pause around a death is not hidden by one at the start. */
  forgetPauses(): void {
    this.#longestPauseMs = 0;
  }

  counts(sent: number): StreamCounts {
    return {
      sent,
      received: this.#seen.size,
      missing: this.#highest + 1 - this.#seen.size,
      duplicates: this.#duplicates,
      late: this.#late,
      longestPauseMs: this.#longestPauseMs,
    };
  }

  close(): void {
    this.#socket.close();
  }
}

export class Sender {
  readonly #socket: Socket;
  readonly #port: number;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
  }

  static async open(port: number): Promise<Sender> {
    return new Sender(await bound(), port);
  }

  get sent(): number {
    return this.#next;
  }

  start(): void {
    this.#timer = setInterval(() => {
      const bytes = Buffer.alloc(NUMBER_BYTES);
      bytes.writeBigUInt64BE(BigInt(this.#next));
      this.#next += 1;
      this.#socket.send(bytes, this.#port, LOOPBACK);
    }, INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  close(): void {
    this.stop();
    this.#socket.close();
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  await new Promise<void>((done, fail) => {
    socket.once("error", fail);
    socket.bind(0, LOOPBACK, done);
  });
  return socket;
}
