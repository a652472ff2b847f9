/**
 * The sandbox of a replay. Owns one instance of the image that ran, and reads the state as the replay has made it so far; many
 * turns cross at once, and the next lot is on its way while the last is looked at.
 *
 * I1. Results come out in the order turns went in.
 * I2. Keys are those of the turns before: what a turn asks for is served once every turn before it has ended and was
 *     taken (`take`).
 */
import type { TurnResult, VnesError } from "@vnes/schemas";
import { failedTurn, KeyRounds } from "../../ledger/key-rounds.ts";
import type { RepeatedBatch, Sandbox, SandboxInstance, SandboxSpec } from "../../ports/sandbox.ts";
import { ReplayLot } from "./replay-lot.ts";
import type { ReplayState } from "./replay-state.ts";
import type { ReplayTurn } from "./replay-turn.ts";

/** Lots on their way: one is run while the other is looked at and the next one is read. */
const MAX_IN_FLIGHT = 2;

export type Ended = Exclude<TurnResult, { kind: "needKeys" }>;
/** How a turn ended; undefined when it came to what is recorded, and nobody had to read it. */
export type Take = (turn: ReplayTurn, result: Ended | undefined) => boolean;

interface SentLot {
  readonly lot: ReplayLot;
  readonly batch: RepeatedBatch;
  /** Undefined when every turn came to what is recorded. */
  readonly answer: Promise<readonly TurnResult[] | undefined>;
}

export class ReplayInstance {
  readonly #sandbox: Sandbox;
  readonly #state: ReplayState;
  readonly #take: Take;
  #instance: SandboxInstance | undefined;
  #waiting = new ReplayLot();
  #inFlight: SentLot[] = [];
  /** Lots that were settled: their memory is used again. */
  readonly #spare: ReplayLot[] = [];

  /** `take` gets each result in order, and says whether to go on. */
  constructor(sandbox: Sandbox, state: ReplayState, take: Take) {
    this.#sandbox = sandbox;
    this.#state = state;
    this.#take = take;
  }

  get isOpen(): boolean {
    return this.#instance !== undefined;
  }

  async open(spec: SandboxSpec): Promise<void> {
    this.#instance = await this.#sandbox.open(spec);
  }

  /** False once `take` wants no more. Most turns only wait for others, and nobody waits for them. */
  push(turn: ReplayTurn): boolean | Promise<boolean> {
    this.#waiting.add(turn);
    if (!this.#waiting.isFull) return true;
    this.#send();
    return this.#inFlight.length < MAX_IN_FLIGHT || this.#settle();
  }

  /** Ends what is on its way. False once `take` wants no more. */
  async drain(): Promise<boolean> {
    this.#send();
    while (this.#inFlight.length > 0) if (!(await this.#settle())) return false;
    return true;
  }

  /** What is on its way is given up. */
  async close(): Promise<void> {
    const instance = this.#instance;
    this.#instance = undefined;
    this.#waiting = new ReplayLot();
    const answers = this.#inFlight.map(({ answer }) => answer);
    this.#inFlight = [];
    await Promise.allSettled(answers);
    await instance?.dispose();
  }

  #send(): void {
    const lot = this.#waiting;
    if (lot.turns.length === 0) return;
    this.#repeat(lot, lot.close());
    this.#waiting = this.#spare.pop() ?? new ReplayLot();
  }

  #repeat(lot: ReplayLot, batch: RepeatedBatch): void {
    const answer = this.#opened().repeat(batch);
    // Whoever settles this lot hears of it; one that is given up before must not end the process.
    answer.catch(() => undefined);
    this.#inFlight.push({ lot, batch, answer });
  }

  /** Takes the results of the oldest lot. */
  async #settle(): Promise<boolean> {
    const { lot, answer } = this.#inFlight.shift() as SentLot;
    const { turns } = lot;
    const results = await answer;
    // One text that is no request fails the first turn that crossed with it.
    if (results?.some(({ kind }) => kind === "failed") === true) for (const turn of turns) turn.assertCut();
    for (const [index, turn] of turns.entries()) {
      const result = results?.[index];
      if (result?.kind === "needKeys") return this.#again(turn, result, turns.slice(index + 1));
      if (!this.#take(turn, result)) return false;
    }
    lot.clear();
    this.#spare.push(lot);
    return true;
  }

  /** I2: nothing behind it counts (port rule 2); the turn runs alone with its keys, then the rest as before. */
  async #again(
    turn: ReplayTurn,
    asked: Extract<TurnResult, { kind: "needKeys" }>,
    behind: readonly ReplayTurn[],
  ): Promise<boolean> {
    const skipped = this.#inFlight;
    this.#inFlight = [];
    const answers = await Promise.all(skipped.map(({ answer }) => answer));
    // What left before this was known has run on a state that it does not have.
    if (answers.some((results) => results?.every(isNotRun) !== true)) await this.#opened().reset();
    const state = await this.#state.after(turn.seq - 1);
    const given = new KeyRounds();
    let result: TurnResult = asked;
    while (result.kind === "needKeys") {
      const refused: VnesError | undefined = given.serve(state, result);
      if (refused !== undefined) result = failedTurn(asked.turn, refused);
      else {
        const request = { ...turn.request, keys: given.keys, ranges: given.ranges };
        [result] = (await this.#opened().deliver([request])) as [TurnResult];
      }
    }
    if (!this.#take(turn, result)) return false;
    const rest = new ReplayLot();
    for (const one of behind) rest.add(one);
    if (behind.length > 0) this.#repeat(rest, rest.close());
    for (const { lot, batch } of skipped) this.#repeat(lot, batch);
    return true;
  }

  #opened(): SandboxInstance {
    if (this.#instance === undefined) throw new Error("no image runs");
    return this.#instance;
  }
}

function isNotRun({ kind }: TurnResult): boolean {
  return kind === "needKeys";
}
