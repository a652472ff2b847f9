/**
 * What the turns of one shard say, into the node's log: so much of it and no more, because a log is written before anything else goes on, and
 * lies on a disk that others need. What is dropped is counted, and told when there is room again.
 */
import type { LogLine } from "@vnes/schemas";
import { roughSize } from "../../bus/json-size.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Counters } from "../node/counters.ts";

/** Characters a second that may go on for ever: the fullest lines of a few turns. */
export const LINES_CHARS_PER_S: number = 256 * 1024;
/** What may be said at once after a silence. */
export const LINES_BURST_CHARS: number = 4 * 1024 * 1024;
/** Of a line beside what the capsule says in it. */
const LINE_CHARS = 64;

export interface CapsuleLinesParts {
  readonly lines: Log;
  readonly clock: Clock;
  readonly counters: Counters;
}

export class CapsuleLines {
  readonly #parts: CapsuleLinesParts;
  readonly #name: string;
  #room: number = LINES_BURST_CHARS;
  #at = 0;
  #dropped = 0;

  constructor(parts: CapsuleLinesParts, name: string) {
    this.#parts = parts;
    this.#name = name;
  }

  print(lines: readonly LogLine[]): void {
    this.#refill();
    for (const line of lines) this.#print(line);
  }

  #refill(): void {
    const now = this.#parts.clock.now();
    const gained = (Math.max(0, now - this.#at) * LINES_CHARS_PER_S) / 1_000;
    this.#room = Math.min(LINES_BURST_CHARS, this.#room + gained);
    this.#at = now;
    if (this.#room <= 0 || this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#parts.lines.warn(
      { capsule: this.#name, dropped },
      "it said more than the log takes, and lines were dropped",
    );
  }

  /** One line may leave a debt. */
  #print({ level, message, data }: LogLine): void {
    if (this.#room <= 0) {
      this.#dropped += 1;
      this.#parts.counters.add("log.linesDropped");
      return;
    }
    const size = data === undefined ? 0 : roughSize(data, LINES_BURST_CHARS);
    this.#room -= LINE_CHARS + message.length + size;
    this.#parts.lines[level]({ capsule: this.#name, ...(data === undefined ? {} : { data }) }, message);
  }
}
