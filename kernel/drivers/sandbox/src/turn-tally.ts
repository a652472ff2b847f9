/** What an instance counts, whatever runs it: turns, failures, how often one turn asked for keys, and how much text crossed. */
import type { TurnResult } from "@vnes/schemas";
import { invalidResult, type Judged } from "./parse-results.ts";

/** Each round has at least one new key. */
const MAX_ROUNDS = 1_024;

export class TurnTally {
  turns = 0;
  failedTurns = 0;
  /** Of the JSON that crossed, either way, in UTF-8. */
  bytes = 0;
  /** Of the kernel's thread, to read and judge what its turns came to: whoever makes that long pays for it. */
  judgedMs = 0;
  /** The turn that asked for keys last, and how often. */
  #asking: number | undefined;
  #rounds = 0;

  /** Of a whole batch. A turn that always asks for one more key would be delivered for ever: its result becomes invalid. */
  judge(judged: Judged): Judged {
    const bounded = this.#bounded(judged);
    for (const { kind } of bounded.results) this.#count(kind);
    return bounded;
  }

  /** Of a batch whose results nobody had to look at. */
  allDone(turns: number): void {
    this.#asking = undefined;
    this.turns += turns;
  }

  #count(kind: TurnResult["kind"]): void {
    if (kind !== "needKeys") this.turns += 1;
    if (kind === "failed") this.failedTurns += 1;
  }

  #bounded(judged: Judged): Judged {
    const index = judged.results.findIndex(({ kind }) => kind === "needKeys");
    const turn = judged.results[index]?.turn;
    this.#rounds = turn === this.#asking ? this.#rounds + 1 : 1;
    this.#asking = turn;
    if (turn === undefined || this.#rounds <= MAX_ROUNDS) return judged;
    const reason = `it asked for more keys ${this.#rounds} times; a turn that needs many reads a prefix with entries`;
    return { results: judged.results.with(index, invalidResult(turn, reason)), invalid: reason };
  }
}
