/**
 * The messenger over any wire: correlation, deadlines, bounds and counters are here once; a driver brings the bytes
 * across. Every node listens to one subject of its own, `n.<node>`; published payloads travel as they are, under `s.<subject>`.
 */
import { isVnesError, type VnesError } from "@vnes/schemas";
import type { Clock } from "../ports/clock.ts";
import { messengerErrors } from "../ports/messenger-errors.ts";
import type { MessageHandler, MessageWire, Messenger, WireProblem } from "../ports/messenger.ts";
import type { Random } from "../ports/random.ts";
import { decodeMessage, type Frame } from "./frame.ts";
import { Outgoing } from "./outgoing.ts";
import { Parts } from "./parts.ts";
import { MAX_PENDING_REQUESTS, PendingRequests } from "./pending-requests.ts";

/** Handlers under way for others; a peer whose requests are refused asks again or gives up. */
const MAX_ANSWERING = 16_384;
/** The largest record a ledger takes, as JSON inside JSON, and room. */
export const MAX_PAYLOAD_BYTES: number = 20 * 1024 * 1024;
const MAX_NAME_LENGTH = 200;
/** Far more nodes than a system of this kind has; whoever makes names up is not heard. */
const MAX_PEERS = 1_024;
/** Checked subjects that are remembered; a topic is one. */
const MAX_SUBJECTS = 4_096;
const NOTHING = new Uint8Array(0);
const NAME = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

export class WireMessenger implements Messenger {
  readonly node: string;
  readonly #wire: MessageWire;
  readonly #tag: number;
  readonly #pending: PendingRequests;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #services = new Map<string, MessageHandler>();
  readonly #parts = new Parts();
  readonly #counts = new Map<string, number>();
  readonly #subjects = new Map<string, string>();
  readonly #unlisten: () => void;
  #number = 0;
  #answering = 0;
  #isClosed = false;

  constructor(wire: MessageWire, clock: Pick<Clock, "now" | "wakeAt">, random: Random) {
    this.node = assertName(wire.node);
    this.#wire = wire;
    this.#tag = Number.parseInt(random.seed().slice(0, 8), 16) >>> 0;
    this.#pending = new PendingRequests(clock, ({ to, service, timeoutMs }) => {
      this.#count("request.timedOut");
      return messengerErrors.create("MESSENGER_TIMEOUT", { to, service, timeoutMs });
    });
    this.#unlisten = wire.listen(`n.${wire.node}`, (bytes) => this.#receive(bytes));
  }

  get maxPublishBytes(): number {
    return this.#wire.maxMessageBytes;
  }

  publish(subject: string, payload: Uint8Array): boolean {
    const size = payload.length;
    if (size > this.maxPublishBytes) throw this.#tooLarge(subject, size, this.maxPublishBytes);
    if (this.#isClosed) return false;
    const problem = this.#wire.send(this.#published(subject), payload);
    if (problem === undefined) return true;
    this.#count(`publish.${problem}`);
    return false;
  }

  subscribe(subject: string, onPayload: (payload: Uint8Array) => void): () => void {
    return this.#wire.listen(this.#published(subject), onPayload);
  }

  request(node: string, service: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw messengerErrors.create("MESSENGER_CLOSED", { node: this.node });
      if (payload.length > MAX_PAYLOAD_BYTES) throw this.#tooLarge(node, payload.length, MAX_PAYLOAD_BYTES);
      if (this.#pending.size >= MAX_PENDING_REQUESTS) {
        this.#count("request.busy");
        throw messengerErrors.create("MESSENGER_BUSY", { node: this.node, limit: MAX_PENDING_REQUESTS });
      }
      const to = this.#to(node);
      const number = this.#nextNumber();
      this.#pending.add(number, { to: node, service, timeoutMs, resolve, reject });
      to.add({ kind: "request", tag: this.#tag, number, service, payload });
    });
  }

  tell(node: string, service: string, payload: Uint8Array): boolean {
    if (payload.length > MAX_PAYLOAD_BYTES) throw this.#tooLarge(node, payload.length, MAX_PAYLOAD_BYTES);
    if (this.#isClosed) return false;
    this.#to(node).add({ kind: "tell", tag: this.#tag, number: this.#nextNumber(), service, payload });
    return true;
  }

  serve(service: string, handler: MessageHandler): () => void {
    this.#services.set(assertName(service), handler);
    return () => {
      if (this.#services.get(service) === handler) this.#services.delete(service);
    };
  }

  async flush(): Promise<void> {
    for (const outgoing of this.#outgoing.values()) outgoing.flush();
    await this.#wire.flush();
  }

  counts(): { readonly [name: string]: number } {
    const counts = new Map(this.#counts);
    if (this.#parts.dropped > 0) counts.set("parts.dropped", this.#parts.dropped);
    return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unlisten();
    for (const outgoing of this.#outgoing.values()) outgoing.flush();
    this.#pending.rejectAll(() => messengerErrors.create("MESSENGER_CLOSED", { node: this.node }));
    await this.#wire[Symbol.asyncDispose]();
  }

  #to(node: string): Outgoing {
    const known = this.#outgoing.get(node);
    if (known !== undefined) return known;
    const subject = `n.${assertName(node)}`;
    const made = new Outgoing(this.#wire, subject, (frames, problem) => {
      for (const frame of frames) this.#unsent(node, frame, problem);
    });
    this.#outgoing.set(node, made);
    return made;
  }

  #isPeer(from: string): boolean {
    return this.#outgoing.has(from) || (this.#outgoing.size < MAX_PEERS && isName(from));
  }

  #published(subject: string): string {
    const known = this.#subjects.get(subject);
    if (known !== undefined) return known;
    const made = `s.${assertName(subject)}`;
    if (this.#subjects.size >= MAX_SUBJECTS) this.#subjects.clear();
    this.#subjects.set(subject, made);
    return made;
  }

  #unsent(node: string, { kind, number }: Frame, problem: WireProblem): void {
    this.#count(`${kind}.${problem}`);
    if (kind !== "request") return;
    const code = problem === "gone" ? "MESSENGER_DISCONNECTED" : "MESSENGER_SLOW";
    this.#pending.take(number)?.reject(messengerErrors.create(code, { node: this.node, to: node }));
  }

  #receive(bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (message === undefined || !this.#isPeer(message.from)) {
      this.#count("message.unreadable");
      return;
    }
    for (const part of message.frames) {
      const frame = this.#parts.add(message.from, part, MAX_PAYLOAD_BYTES);
      if (frame === undefined) continue;
      if (frame.kind === "request" || frame.kind === "tell") this.#serve(message.from, frame);
      else this.#answered(message.from, frame);
    }
  }

  #answered(from: string, { kind, tag, number, payload }: Frame): void {
    const request = tag === this.#tag ? this.#pending.take(number) : undefined;
    if (request === undefined) {
      this.#count("answer.late");
      return;
    }
    if (kind === "answer") request.resolve(payload);
    else request.reject(refused(from, request.service, payload));
  }

  #serve(from: string, frame: Frame): void {
    const { service } = frame;
    const handler = this.#services.get(service);
    if (handler === undefined) {
      this.#count(`${frame.kind}.unknownService`);
      const details = { node: this.node, service };
      this.#refuse(from, frame, messengerErrors.create("MESSENGER_SERVICE_UNKNOWN", details));
      return;
    }
    if (this.#answering >= MAX_ANSWERING) {
      this.#count(`${frame.kind}.busy`);
      const details = { node: this.node, limit: MAX_ANSWERING };
      this.#refuse(from, frame, messengerErrors.create("MESSENGER_BUSY", details));
      return;
    }
    let answer: ReturnType<MessageHandler>;
    try {
      answer = handler(frame.payload, from);
    } catch (error) {
      this.#refuse(from, frame, error);
      return;
    }
    if (!(answer instanceof Promise)) {
      this.#answer(from, frame, answer);
      return;
    }
    this.#answering++;
    answer
      .then(
        (payload) => this.#answer(from, frame, payload),
        (error: unknown) => this.#refuse(from, frame, error),
      )
      .finally(() => this.#answering--);
  }

  #answer(to: string, { kind, tag, number }: Frame, payload: Uint8Array | undefined): void {
    if (kind !== "request" || this.#isClosed) return;
    if (payload !== undefined && payload.length > MAX_PAYLOAD_BYTES) {
      this.#refuse(to, { kind, tag, number }, this.#tooLarge(to, payload.length, MAX_PAYLOAD_BYTES));
      return;
    }
    this.#to(to).add({ kind: "answer", tag, number, service: "", payload: payload ?? NOTHING });
  }

  #refuse(to: string, { kind, tag, number }: Pick<Frame, "kind" | "tag" | "number">, error: unknown): void {
    if (kind !== "request" || this.#isClosed) return;
    const code = isVnesError(error) ? error.code : "UNEXPECTED";
    const problem = error instanceof Error ? error.message : String(error);
    const payload = new TextEncoder().encode(JSON.stringify({ code, problem }));
    this.#to(to).add({ kind: "refusal", tag, number, service: "", payload });
  }

  #nextNumber(): number {
    this.#number = (this.#number + 1) >>> 0;
    return this.#number;
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  #tooLarge(to: string, size: number, limit: number): VnesError {
    this.#count("payload.tooLarge");
    return messengerErrors.create("MESSENGER_PAYLOAD_TOO_LARGE", { to, size, limit });
  }
}

function refused(to: string, service: string, payload: Uint8Array): VnesError {
  const unreadable = { code: "UNREADABLE", problem: "its refusal cannot be read" };
  let given: { readonly code?: unknown; readonly problem?: unknown } = unreadable;
  try {
    given = JSON.parse(new TextDecoder().decode(payload)) as typeof given;
  } catch {
    // Said with what is known.
  }
  const details = { to, service, code: String(given.code), problem: String(given.problem) };
  return messengerErrors.create("MESSENGER_REFUSED", details);
}

/** Throws `MESSENGER_SUBJECT_INVALID`. */
function assertName(subject: string): string {
  if (isName(subject)) return subject;
  throw messengerErrors.create("MESSENGER_SUBJECT_INVALID", {
    subject: subject.slice(0, MAX_NAME_LENGTH),
    limit: MAX_NAME_LENGTH,
  });
}

function isName(subject: string): boolean {
  return subject.length <= MAX_NAME_LENGTH && NAME.test(subject);
}
