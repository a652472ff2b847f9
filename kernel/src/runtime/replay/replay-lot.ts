/** Turns of a replay that cross together: what the sandbox is sent and what it is expected to answer, as one text each. */
import type { RepeatedBatch } from "../../ports/sandbox.ts";
import { TextBuffer } from "../../replay/text-buffer.ts";
import type { ReplayTurn } from "./replay-turn.ts";

/** The wake-up is shared by many, and what is on its way is still young when it is garbage. */
const MAX_TURNS = 128;
/**
 * Of either text: waking the other side costs as much as a dozen turns. As many lots as are on their way fit into a pipe: a writer that
 * has to wait keeps the end of an answer back.
 */
const MAX_BYTES = 64 * 1024;

const [LIST_BEGIN, COMMA, LIST_END] = [0x5b, 0x2c, 0x5d];

export class ReplayLot {
  readonly turns: ReplayTurn[] = [];
  readonly #requests = new TextBuffer();
  readonly #expected = new TextBuffer();

  get isFull(): boolean {
    return (
      this.turns.length >= MAX_TURNS ||
      this.#requests.length >= MAX_BYTES ||
      this.#expected.length >= MAX_BYTES
    );
  }

  add(turn: ReplayTurn): void {
    const before = this.turns.length === 0 ? LIST_BEGIN : COMMA;
    this.#requests.addByte(before);
    turn.addRequest(this.#requests);
    this.#expected.addByte(before);
    turn.addExpected(this.#expected);
    this.turns.push(turn);
  }

  /** Once, when nothing more is added. What it gives stays as it is until `clear`. */
  close(): RepeatedBatch {
    this.#requests.addByte(LIST_END);
    this.#expected.addByte(LIST_END);
    const turns = this.turns.map(({ seq }) => seq);
    return { turns, requests: this.#requests.bytes, expected: this.#expected.bytes };
  }

  clear(): void {
    this.turns.length = 0;
    this.#requests.clear();
    this.#expected.clear();
  }
}
