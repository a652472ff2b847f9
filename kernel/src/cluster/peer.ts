/**
 * This node's dealings with one other node: a link each way. What waits for the other side to confirm it is sent again
 * until it does; what comes from it is handed on once, and confirmed when the receiver says so.
 */
import type { Answer, VnesError } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import { formatEffectId } from "../ledger/effect-id.ts";
import type { OutboxEntry } from "../ledger/outbox.ts";
import { LinkReceiver } from "../link/link-receiver.ts";
import { LinkSender } from "../link/link-sender.ts";
import type { Clock } from "../ports/clock.ts";
import type { Messenger } from "../ports/messenger.ts";
import type { Counters } from "../runtime/node/counters.ts";
import { encodeBatch, encodeReply, entryText, type LinkMessage } from "./link-message.ts";

export const LINK_SERVICE = "link";
/** Unconfirmed effects of one peer; beyond it calls are refused. Events and answers get in: they are kept anyway. */
export const MAX_WAITING_EFFECTS = 65_536;
/** Refusals that are said again when their effect comes again: by then a second copy must not be taken after all. */
const MAX_REMEMBERED_REFUSALS = 4_096;
/** Looks without a word from the other side before a person is told: about five seconds. */
const SILENT_LOOKS = 6;

/** How an effect ended at the receiver: `confirm` when it needs no repeat, `refuse` when it is answered in its place. */
export interface Ends {
  confirm(): void;
  refuse(answer: Answer): void;
}

export interface PeerParts {
  readonly name: string;
  readonly messenger: Messenger;
  readonly clock: Clock;
  readonly counters: Counters;
  /** Of this run of this node. */
  readonly run: string;
  program(): string;
  /** Hands an effect of the peer to whoever it is for on this node. */
  arrive(entry: OutboxEntry, ends: Ends): void;
}

export class Peer {
  readonly #parts: PeerParts;
  readonly #sender: LinkSender;
  readonly #receiver = new LinkReceiver();
  readonly #ends = new Map<string, Ends>();
  #confirmed: string[] = [];
  readonly #refusals = new Map<string, Answer>();
  #refused: (readonly [string, Answer])[] = [];
  #isScheduled = false;
  #isClosed = false;
  #wake: { readonly at: number; cancel(): void } | undefined;
  #differs = false;

  constructor(parts: PeerParts) {
    this.#parts = parts;
    this.#sender = new LinkSender(parts.run);
  }

  /** Effects it has not confirmed. */
  get waiting(): number {
    return this.#sender.waiting;
  }

  problem(): VnesError | undefined {
    const { name: peer } = this.#parts;
    if (this.#differs) return kernelErrors.create("CLUSTER_PEER_DIFFERS", { peer });
    if (this.#sender.silence < SILENT_LOOKS) return undefined;
    return kernelErrors.create("CLUSTER_PEER_SILENT", { peer, waiting: this.waiting });
  }

  send(entry: OutboxEntry, ends: Ends): void {
    if (entry.effect.do === "call" && this.waiting >= MAX_WAITING_EFFECTS) {
      this.#parts.counters.add("remote.callsRefused");
      const details = { peer: this.#parts.name, waiting: this.waiting };
      const { code, message } = kernelErrors.create("CALL_NODE_UNREACHABLE", details);
      ends.refuse({ ok: false, code, message, details });
      return;
    }
    const id = formatEffectId(entry.id);
    this.#ends.set(id, ends);
    this.#sender.add({ id, text: entryText(entry) });
    this.#soon();
  }

  /** This node serves now: what was asked for before goes out. */
  start(): void {
    this.#soon();
  }

  hear(message: LinkMessage): void {
    if (this.#isClosed) return;
    const now = this.#parts.clock.now();
    switch (message.kind) {
      case "batch":
        this.#receive(message);
        return;
      case "took":
        this.#differs = false;
        this.#sender.took(message.link, message.next, message.gap, now);
        break;
      case "unknown":
        this.#sender.forgotten(message.link);
        break;
      case "differs":
        this.#differs = true;
        this.#parts.counters.add("remote.differs");
        break;
      case "confirmed":
        for (const id of message.ids) this.#end(id, now)?.confirm();
        for (const [id, answer] of message.refused) this.#end(id, now)?.refuse(answer);
        break;
    }
    this.#soon();
  }

  /** Nothing is sent, taken or confirmed any more; what waits stays in its senders' ledgers. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.cancel();
    this.#wake = undefined;
  }

  #end(id: string, now: number): Ends | undefined {
    const ends = this.#ends.get(id);
    this.#ends.delete(id);
    this.#sender.confirm(id, now);
    return ends;
  }

  #receive(message: Extract<LinkMessage, { kind: "batch" }>): void {
    const { link, first, count, program, entries } = message;
    if (program !== this.#parts.program()) {
      this.#differs = true;
      this.#tell({ kind: "differs", program: this.#parts.program() });
      return;
    }
    this.#differs = false;
    const reception = this.#receiver.receive(link, first, count);
    if (reception.kind === "unknown") {
      this.#tell({ kind: "unknown", link });
      return;
    }
    const { next } = reception;
    if (reception.kind === "gap") this.#parts.counters.add("remote.gaps");
    else for (const entry of entries) this.#arrive(entry);
    this.#tell({ kind: "took", link, next, gap: reception.kind === "gap" });
  }

  #arrive(entry: OutboxEntry): void {
    const id = formatEffectId(entry.id);
    const before = this.#refusals.get(id);
    if (before !== undefined) {
      this.#refused.push([id, before]);
      this.#soon();
      return;
    }
    this.#parts.arrive(entry, {
      confirm: () => {
        this.#confirmed.push(id);
        this.#soon();
      },
      refuse: (answer) => {
        this.#refusals.set(id, answer);
        const [oldest] = this.#refusals.keys();
        if (this.#refusals.size > MAX_REMEMBERED_REFUSALS) this.#refusals.delete(oldest ?? "");
        this.#refused.push([id, answer]);
        this.#soon();
      },
    });
  }

  /** Once for all that happens in the same step. */
  #soon(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    void Promise.resolve().then(() => {
      this.#isScheduled = false;
      if (!this.#isClosed) this.#sendAll();
    });
  }

  #sendAll(): void {
    const { clock, counters } = this.#parts;
    // Not before this node serves: what comes back would find nobody.
    if (this.#parts.program() === "") return;
    if (this.#confirmed.length > 0 || this.#refused.length > 0) {
      const [ids, refused] = [this.#confirmed, this.#refused];
      this.#confirmed = [];
      this.#refused = [];
      this.#tell({ kind: "confirmed", ids, refused });
    }
    const now = clock.now();
    const again = this.#sender.look(now);
    if (again !== undefined) {
      counters.add("remote.asked", again.texts.length);
      this.#tellBytes(encodeBatch(again, this.#parts.program()));
    }
    for (let batch = this.#sender.batch(now); batch !== undefined; batch = this.#sender.batch(now)) {
      counters.add("remote.sent", batch.texts.length);
      this.#tellBytes(encodeBatch(batch, this.#parts.program()));
    }
    this.#arm();
  }

  #arm(): void {
    const at = this.#sender.lookAt;
    // A look that comes too early is put off; one that comes too late is what must not be.
    if (at === undefined || (this.#wake !== undefined && this.#wake.at <= at)) return;
    this.#wake?.cancel();
    const cancel = this.#parts.clock.wakeAt(at, () => {
      this.#wake = undefined;
      if (!this.#isClosed) this.#sendAll();
    });
    this.#wake = { at, cancel };
  }

  #tell(message: Exclude<LinkMessage, { kind: "batch" }>): void {
    if (!this.#isClosed) this.#tellBytes(encodeReply(message));
  }

  /** What the messenger drops is sent again when nothing comes back. */
  #tellBytes(bytes: Uint8Array): void {
    this.#parts.messenger.tell(this.#parts.name, LINK_SERVICE, bytes);
  }
}
