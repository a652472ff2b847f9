/**
 * The sandbox of a replay. Owns one instance of the image that ran, and reads the state as the replay has made it so far; many
 * turns cross at once, and the next lot is on its way while the last is looked at.
 *
 * I1. Results come out in the order turns went in.
 * I2. Keys are those of the turns before: what a turn asks for is served once every turn before it has ended and was
 *     taken (`take`).
 */
import type { TurnRequest, TurnResult } from "@vnes/schemas";
import { serveKeys } from "../../ledger/served-keys.ts";
import type { TurnRecord } from "../../ledger/record.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import { expectedResult } from "../../replay/output.ts";
import type { Sandbox, SandboxInstance, SandboxSpec } from "../../ports/sandbox.ts";

/** Turns that cross at once: the wake-up is shared by many, and what is on its way is still young when it is garbage. */
const BATCH_TURNS = 128;
/**
 * Of records, of which a request is about half. Texts and buffers of a batch stay below 128 KiB: beyond it both V8 and the
 * allocator map fresh memory for each one, and its page faults cost a fifth of a replay.
 */
const BATCH_BYTES = 128 * 1024;
/** Lots on their way: one is run while one is looked at. */
const MAX_IN_FLIGHT = 3;
/** What a turn asks for it asks for at once or in a few steps. */
const MAX_KEY_ROUNDS = 1_000;

export interface ReplayTurn {
  readonly record: TurnRecord;
  readonly request: TurnRequest;
  /** Bytes of the record and of what it refers to: about what the request takes. */
  readonly size: number;
  /** JSON of the recorded effects. */
  readonly effects: string;
}

export type Ended = Exclude<TurnResult, { kind: "needKeys" }>;
/** How a turn ended; undefined when it came to what is recorded, and nobody had to read it. */
export type Take = (turn: ReplayTurn, result: Ended | undefined) => boolean;

interface Lot {
  readonly turns: readonly ReplayTurn[];
  /** Undefined when every turn came to what is recorded. */
  readonly answer: Promise<readonly TurnResult[] | undefined>;
}

export class ReplayInstance {
  readonly #sandbox: Sandbox;
  readonly #state: ShardState;
  readonly #take: Take;
  #instance: SandboxInstance | undefined;
  #waiting: ReplayTurn[] = [];
  #waitingBytes = 0;
  #inFlight: Lot[] = [];

  /** `take` gets each result in order, and says whether to go on; it keeps `state` up to date. */
  constructor(sandbox: Sandbox, state: ShardState, take: Take) {
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
    this.#waiting.push(turn);
    this.#waitingBytes += turn.size;
    if (this.#waiting.length < BATCH_TURNS && this.#waitingBytes < BATCH_BYTES) return true;
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
    this.#waiting = [];
    this.#waitingBytes = 0;
    const answers = this.#inFlight.map(({ answer }) => answer);
    this.#inFlight = [];
    await Promise.allSettled(answers);
    await instance?.dispose();
  }

  #send(): void {
    if (this.#waiting.length === 0) return;
    this.#deliver(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #deliver(turns: readonly ReplayTurn[]): void {
    const instance = this.#opened();
    const requests = turns.map(({ request }) => request);
    const expected = turns.map(({ record, effects }) => expectedResult(record, effects));
    const answer = instance.repeat?.(requests, expected) ?? instance.deliver(requests);
    // Whoever settles this lot hears of it; one that is given up before must not end the process.
    answer.catch(() => undefined);
    this.#inFlight.push({ turns, answer });
  }

  /** Takes the results of the oldest lot. */
  async #settle(): Promise<boolean> {
    const lot = this.#inFlight.shift() as Lot;
    const results = await lot.answer;
    for (const [index, turn] of lot.turns.entries()) {
      const result = results?.[index];
      if (result?.kind === "needKeys") return this.#again(turn, result, lot.turns.slice(index + 1));
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
    let { request } = turn;
    let result: TurnResult = asked;
    for (let round = 0; result.kind === "needKeys"; round++) {
      if (round === MAX_KEY_ROUNDS) throw new Error(`turn ${turn.record.seq} asks for keys without an end`);
      const { keys, ranges } = serveKeys(this.#state, result);
      request = {
        ...request,
        keys: [...(request.keys ?? []), ...keys],
        ranges: [...(request.ranges ?? []), ...ranges],
      };
      [result] = (await this.#opened().deliver([request])) as [TurnResult];
    }
    if (!this.#take(turn, result)) return false;
    if (behind.length > 0) this.#deliver(behind);
    for (const lot of skipped) this.#deliver(lot.turns);
    return true;
  }

  #opened(): SandboxInstance {
    if (this.#instance === undefined) throw new Error("no image runs");
    return this.#instance;
  }
}
