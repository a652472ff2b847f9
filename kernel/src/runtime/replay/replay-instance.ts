/**
 * The sandbox of a replay. Owns one instance of the image that ran, and reads the state as the replay has made it so far; many
 * turns cross at once, and the next lot is on its way while the last is looked at.
 *
 * I1. Results come out in the order turns went in.
 * I2. Keys are those of the turns before: what a turn asks for is served once every turn before it has ended and was
 *     taken (`take`).
 */
import type { TurnResult } from "@vnes/schemas";
import { serveKeys } from "../../ledger/served-keys.ts";
import type { Sandbox, SandboxInstance, SandboxSpec } from "../../ports/sandbox.ts";
import { TextBuffer } from "../../replay/text-buffer.ts";
import type { ReplayState } from "./replay-state.ts";
import type { ReplayTurn } from "./replay-turn.ts";

/** Turns that cross at once: the wake-up is shared by many, and what is on its way is still young when it is garbage. */
const BATCH_TURNS = 128;
/** Of requests or expected results. Below 128 KiB: beyond it both V8 and the allocator map fresh memory for each text. */
const BATCH_BYTES = 64 * 1024;
/** Lots on their way: one is run while one is looked at. */
const MAX_IN_FLIGHT = 3;
/** What a turn asks for it asks for at once or in a few steps. */
const MAX_KEY_ROUNDS = 1_000;

export type Ended = Exclude<TurnResult, { kind: "needKeys" }>;
/** How a turn ended; undefined when it came to what is recorded, and nobody had to read it. */
export type Take = (turn: ReplayTurn, result: Ended | undefined) => boolean;

/** Turns that cross together. */
interface Lot {
  readonly turns: ReplayTurn[];
  readonly expected: TextBuffer;
}

interface SentLot extends Lot {
  /** Undefined when every turn came to what is recorded. */
  readonly answer: Promise<readonly TurnResult[] | undefined>;
}

export class ReplayInstance {
  readonly #sandbox: Sandbox;
  readonly #state: ReplayState;
  readonly #take: Take;
  #instance: SandboxInstance | undefined;
  readonly #requests = new TextBuffer();
  #waiting: Lot = { turns: [], expected: new TextBuffer() };
  #inFlight: SentLot[] = [];
  /** Of lots that were settled. */
  readonly #spare: TextBuffer[] = [];

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
    this.#add(turn);
    const { turns, expected } = this.#waiting;
    if (turns.length < BATCH_TURNS && this.#requests.length < BATCH_BYTES && expected.length < BATCH_BYTES)
      return true;
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
    this.#begin();
    const answers = this.#inFlight.map(({ answer }) => answer);
    this.#inFlight = [];
    await Promise.allSettled(answers);
    await instance?.dispose();
  }

  #add(turn: ReplayTurn): void {
    const { turns, expected } = this.#waiting;
    for (const text of [this.#requests, expected]) text.addText(turns.length === 0 ? "[" : ",");
    turn.addRequest(this.#requests);
    turn.addExpected(expected);
    turns.push(turn);
  }

  #send(): void {
    const { turns, expected } = this.#waiting;
    if (turns.length === 0) return;
    for (const text of [this.#requests, expected]) text.addText("]");
    const answer = this.#opened().repeat({
      turns: turns.map(({ seq }) => seq),
      requests: this.#requests.bytes,
      expected: expected.bytes,
    });
    // Whoever settles this lot hears of it; one that is given up before must not end the process.
    answer.catch(() => undefined);
    this.#inFlight.push({ turns, expected, answer });
    this.#begin();
  }

  #begin(): void {
    this.#requests.clear();
    const expected = this.#spare.pop() ?? new TextBuffer();
    expected.clear();
    this.#waiting = { turns: [], expected };
  }

  /** The turns again, in a lot of their own. */
  #resend(turns: readonly ReplayTurn[]): void {
    for (const turn of turns) this.#add(turn);
    this.#send();
  }

  /** Takes the results of the oldest lot. */
  async #settle(): Promise<boolean> {
    const { turns, expected, answer } = this.#inFlight.shift() as SentLot;
    const results = await answer;
    this.#spare.push(expected);
    if (results !== undefined) for (const turn of turns) turn.assertCut();
    for (const [index, turn] of turns.entries()) {
      const result = results?.[index];
      if (result?.kind === "needKeys") return this.#again(turn, result, turns.slice(index + 1));
      if (!this.#take(turn, result)) return false;
    }
    return true;
  }

  /** I2: everything behind it was not run (port rule 2); the turn runs alone with its keys, then the rest as before. */
  async #again(
    turn: ReplayTurn,
    asked: Extract<TurnResult, { kind: "needKeys" }>,
    behind: readonly ReplayTurn[],
  ): Promise<boolean> {
    const skipped = this.#inFlight;
    this.#inFlight = [];
    await Promise.all(skipped.map(({ answer }) => answer));
    const state = await this.#state.after(turn.seq - 1);
    let { request } = turn;
    let result: TurnResult = asked;
    for (let round = 0; result.kind === "needKeys"; round++) {
      if (round === MAX_KEY_ROUNDS) throw new Error(`turn ${turn.seq} asks for keys without an end`);
      const { keys, ranges } = serveKeys(state, result);
      request = {
        ...request,
        keys: [...(request.keys ?? []), ...keys],
        ranges: [...(request.ranges ?? []), ...ranges],
      };
      [result] = (await this.#opened().deliver([request])) as [TurnResult];
    }
    if (!this.#take(turn, result)) return false;
    const waiting = this.#waiting.turns;
    this.#begin();
    for (const turns of [behind, ...skipped.map(({ turns }) => turns)]) this.#resend(turns);
    for (const turn of waiting) this.#add(turn);
    return true;
  }

  #opened(): SandboxInstance {
    if (this.#instance === undefined) throw new Error("no image runs");
    return this.#instance;
  }
}
