/** Frames on their way to one node: what is issued in one round of the event loop leaves in as few messages as it fits. */
import type { MessageWire, WireProblem } from "../ports/messenger.ts";
import { encodeMessage, type Frame, frameBytes, headBytes, partPayloadBytes } from "./frame.ts";
import { cut } from "./parts.ts";

/** A message this full leaves at once: larger ones gain nothing and hold back what is behind them. */
const FULL_BYTES = 128 * 1024;

export class Outgoing {
  readonly #wire: MessageWire;
  readonly #subject: string;
  readonly #unsent: (frames: readonly Frame[], problem: WireProblem) => void;
  #frames: Frame[] = [];
  #bytes = 0;
  #isSoon = false;

  /** `unsent` is told of frames the wire did not take. */
  constructor(
    wire: MessageWire,
    subject: string,
    unsent: (frames: readonly Frame[], problem: WireProblem) => void,
  ) {
    this.#wire = wire;
    this.#subject = subject;
    this.#unsent = unsent;
  }

  get #limit(): number {
    return Math.min(FULL_BYTES, this.#wire.maxMessageBytes) - headBytes(this.#wire.node);
  }

  add(frame: Frame): void {
    const size = frameBytes(frame);
    const limit = this.#limit;
    if (size > limit) {
      this.flush();
      const most = partPayloadBytes(this.#wire.node, frame, this.#wire.maxMessageBytes);
      for (const part of cut(frame, most)) this.#send([part]);
      return;
    }
    if (this.#bytes + size > limit) this.flush();
    this.#frames.push(frame);
    this.#bytes += size;
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#wire.soon(() => {
      this.#isSoon = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    this.#send(frames);
  }

  #send(frames: readonly Frame[]): void {
    const problem = this.#wire.send(this.#subject, encodeMessage(this.#wire.node, frames));
    if (problem !== undefined) this.#unsent(frames, problem);
  }
}
