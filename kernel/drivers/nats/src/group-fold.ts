/**
 * What the messages of a group's stream add up to: who owns it, which batches count, where each shard's records are.
 * Every reader that folds the same messages comes to the same result, whoever wrote them and whatever was sent twice.
 * Pure, and changed in place; throws `LEDGER_FILE_CORRUPT` or `LEDGER_FORMAT_UNKNOWN` for what no writer makes.
 *
 * F1. A batch counts when it is of the claim in force and has the number that is next. Everything else is void: a message
 *     of an owner that was fenced, whose expected sequence the new owner's messages happened to fit; a message of a writer
 *     whose earlier one was refused; the same message again.
 * F2. A number that is too high behind a message that is gone is damage, not a refusal: the server lost something.
 * F3. A batch of several parts counts with its last one. Parts without it are nothing.
 * F4. Batches before the purge point are not needed, kept or not.
 * F5. Claims are never removed, and nothing is written under one before it was read back. So a message of a boot that never
 *     claimed says that its claim is gone, and with it what counts.
 */
import { ledgerErrors } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { type Beat, type Claim, decodeControl, type MessageKind } from "./control-message.ts";
import { decodeEntries, decodeFrame, type Entry, type Frame } from "./frame.ts";
import { ShardIndex } from "./shard-index.ts";

export interface StreamMessage {
  readonly kind: MessageKind;
  /** Stream sequence; may jump, where messages were removed. */
  readonly seq: number;
  /** When the server stored it, its clock, in milliseconds. */
  readonly at: number;
  readonly data: Uint8Array;
}

export type Folded =
  | { readonly type: "claimed"; readonly claim: Claim }
  /** `entries` is empty for a part that is not the last. `parts`: stream sequences of all messages of the batch. */
  | {
      readonly type: "batch";
      readonly boot: string;
      readonly number: number;
      readonly entries: readonly Entry[];
      readonly parts: readonly number[];
      readonly size: number;
    }
  | { readonly type: "owner"; readonly kind: "beat" | "release" | "purge"; readonly boot: string }
  | { readonly type: "void" };

const VOID: Folded = { type: "void" };

export class GroupFold {
  readonly index: ShardIndex = new ShardIndex();
  /** Name of the stream, for messages. */
  readonly #stream: string;
  /** F4; 0 for a stream that was never purged. */
  readonly #purgedFrom: number;
  #claim: Claim | undefined;
  /** Every boot that claimed; as many as there are claims in the stream. */
  readonly #boots = new Set<string>();
  #released = false;
  #next = 1;
  #parts: { readonly frame: Frame; readonly seq: number }[] = [];
  #lastSeq = 0;
  #ownerAt = 0;
  /** Batches, parts and control messages that did not count. */
  voided = 0;

  constructor(stream: string, purgedFrom: number) {
    this.#stream = stream;
    this.#purgedFrom = purgedFrom;
  }

  /** The claim in force; undefined when there was none or its owner let go. */
  get owner(): Claim | undefined {
    return this.#released ? undefined : this.#claim;
  }

  get claim(): Claim | undefined {
    return this.#claim;
  }

  /** Number of the next message of the claim in force. */
  get next(): number {
    return this.#next;
  }

  /** Stream sequence of the last message folded. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** When the owner last wrote, the server's clock, in milliseconds. */
  get ownerAt(): number {
    return this.#ownerAt;
  }

  fold(message: StreamMessage): Folded {
    const { seq } = message;
    if (seq <= this.#lastSeq)
      throw new Error(`message ${seq} of ${this.#stream} comes after ${this.#lastSeq}`);
    const isGap = seq !== this.#lastSeq + 1;
    this.#lastSeq = seq;
    const folded =
      message.kind === "batch" ? this.#foldBatch(message, isGap) : this.#foldControl(message, message.kind);
    if (folded.type === "void") this.voided++;
    else this.#ownerAt = message.at;
    return folded;
  }

  #foldControl({ seq, data }: StreamMessage, kind: Exclude<MessageKind, "batch">): Folded {
    const message = decodeControl(kind, data);
    if (typeof message === "string") throw this.#damaged(seq, message);
    if (message.kind === "claim") {
      this.#claim = message;
      this.#boots.add(message.boot);
      this.#released = false;
      this.#next = 1;
      this.#parts = [];
      return { type: "claimed", claim: message };
    }
    if (message.boot !== this.#claim?.boot) return this.#void(seq, message.boot);
    if (message.kind === "purge") return { type: "owner", kind: message.kind, boot: message.boot };
    this.#assertWhole(seq, message);
    this.#released = message.kind === "release";
    return { type: "owner", kind: message.kind, boot: message.boot };
  }

  #void(seq: number, boot: string): Folded {
    if (!this.#boots.has(boot)) throw this.#damaged(seq, "the claim of its owner is missing");
    return VOID;
  }

  /** An owner beats and lets go only when all of its messages are confirmed. */
  #assertWhole(seq: number, { number }: Beat): void {
    if (seq < this.#purgedFrom) this.#next = number;
    else if (number !== this.#next)
      throw this.#damaged(
        seq,
        `its owner had written ${number - 1} messages, and ${this.#next - 1} are there`,
      );
  }

  #foldBatch({ seq, data }: StreamMessage, isGap: boolean): Folded {
    if (seq < this.#purgedFrom) return VOID;
    // Views of what is kept would keep the whole buffer it was received in.
    const frame = decodeFrame(data.slice());
    if (typeof frame === "string") throw this.#damaged(seq, frame);
    const { boot, number } = frame;
    if (boot !== this.#claim?.boot) return this.#void(seq, boot);
    if (seq === this.#purgedFrom) this.#next = number;
    if (number !== this.#next) {
      if (number > this.#next && isGap) throw this.#damaged(seq, "a message before it is missing");
      return VOID;
    }
    this.#next++;
    if (frame.part === 0) this.#parts = [];
    if (frame.part !== this.#parts.length) throw this.#damaged(seq, "a part before it is missing");
    this.#parts.push({ frame, seq });
    if (frame.part + 1 < frame.parts)
      return { type: "batch", boot, number, entries: [], parts: [], size: frame.body.length };
    const parts = this.#parts;
    this.#parts = [];
    const body = joined(parts.map(({ frame: { body } }) => body));
    const entries = decodeEntries(body);
    if (entries === undefined) throw this.#damaged(seq, "it cannot be read");
    for (const entry of entries) this.#apply(entry, seq);
    return { type: "batch", boot, number, entries, parts: parts.map((part) => part.seq), size: body.length };
  }

  #apply(entry: Entry, at: number): void {
    const { index } = this;
    const { kind, shard, seq } = entry;
    if (kind === "trim") {
      index.trim(shard, seq);
      return;
    }
    const { records } = entry;
    if (kind === "carry") index.carry(shard, seq, records.length, at);
    else {
      const head = index.head(shard);
      // A shard whose older records are gone starts where it starts.
      const isFirst = head === 0 && this.#purgedFrom > 0;
      if (seq !== head + 1 && !isFirst)
        throw this.#damaged(at, `shard ${shard} goes on at record ${seq}, and ends at ${head}`);
      index.append(shard, seq, records.length, at);
    }
    records.forEach(({ snapshot }, offset) => {
      if (snapshot === true) index.markSnapshot(shard, seq + offset);
    });
  }

  #damaged(seq: number, problem: string): VnesError {
    const known = problem.startsWith("its format") ? "LEDGER_FORMAT_UNKNOWN" : "LEDGER_FILE_CORRUPT";
    return ledgerErrors.create(known, { path: this.#stream, where: ` at message ${seq}`, problem });
  }
}

function joined(bodies: readonly Uint8Array[]): Uint8Array {
  return bodies.length === 1 ? (bodies[0] as Uint8Array) : Buffer.concat(bodies);
}
