/**
 * A test kit: runs a capsule in this process, turn by turn, as a kernel would: it keeps the keys, gives those that were
 * asked for, applies what a finished turn wrote, and remembers open calls and timers. It checks no schema and no manifest.
 */
import type { Answer, Delivery, Effect, Json, LogLine, TurnRequest, TurnResult } from "@vnes/schemas";
import type { Capsule } from "./engine.ts";

/** A turn that still asks for keys after this many rounds asks in circles. */
const MAX_ROUNDS = 1_024;
const CALL_TIMEOUT_MS = 5_000;

export type Finished = Exclude<TurnResult, { kind: "needKeys" }>;

/** The keys of one shard, as the kernel holds them. */
export class KeyTable {
  readonly values: Map<string, Json> = new Map();

  /** The same request with what its turn asked for, beside what it was given before. */
  serve(request: TurnRequest, needed: Extract<TurnResult, { kind: "needKeys" }>): TurnRequest {
    const ranges = [...(request.ranges ?? []), ...needed.ranges];
    const wanted = new Set(needed.keys);
    for (const key of this.values.keys())
      if (needed.ranges.some((prefix) => key.startsWith(prefix))) wanted.add(key);
    const served = [...wanted].map((key): readonly [key: string, value?: Json] => {
      const value = this.values.get(key);
      return value === undefined ? [key] : [key, value];
    });
    return { ...request, keys: [...(request.keys ?? []), ...served], ranges };
  }

  apply(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.do === "write") this.values.set(effect.key, effect.value);
      else if (effect.do === "delete") this.values.delete(effect.key);
    }
  }
}

export interface HarnessOptions {
  /** Node time of the first turn. Default 1,700,000,000,000. */
  readonly at?: number;
  /** Drops the capsule's cache before every turn: what it does must not depend on it. */
  readonly forgetful?: boolean;
}

type CallEffect = Extract<Effect, { do: "call" }>;

export class CapsuleHarness {
  readonly keys: KeyTable = new KeyTable();
  readonly timers: Map<string, { readonly at: number; readonly payload: Json }> = new Map();
  /** Calls the capsule made that were not answered yet, by call id. */
  readonly open: Map<string, CallEffect> = new Map();
  readonly logs: LogLine[] = [];
  at: number;
  readonly #capsule: Capsule;
  readonly #forgetful: boolean;
  #turns = 0;
  #calls = 0;

  constructor(capsule: Capsule, { at = 1_700_000_000_000, forgetful = false }: HarnessOptions = {}) {
    this.#capsule = capsule;
    this.#forgetful = forgetful;
    this.at = at;
  }

  start(config: Json = null, resumed = false): Finished {
    return this.deliver({ kind: "start", config, resumed });
  }

  event(topic: string, event: Json, key = ""): Finished {
    return this.deliver({ kind: "event", topic, event, key, partition: 0, seq: null });
  }

  /** `name` is `<capability>.<method>`. `answer` is undefined when the capsule answers later or the turn failed. */
  call(
    name: string,
    input: Json,
    caller = "test",
  ): { readonly result: Finished; readonly callId: string; readonly answer: Answer | undefined } {
    const dot = name.lastIndexOf(".");
    const [capability, method] = [name.slice(0, dot), name.slice(dot + 1)];
    const callId = `test:${++this.#calls}`;
    const deadlineAt = this.at + CALL_TIMEOUT_MS;
    const result = this.deliver({ kind: "call", callId, capability, method, input, caller, deadlineAt });
    return { result, callId, answer: answerIn(result, callId) };
  }

  /** Ends a call the capsule made. */
  answer(callId: string, answer: Answer): Finished {
    const call = this.open.get(callId);
    if (call === undefined) throw new Error(`no open call ${callId}`);
    this.open.delete(callId);
    return this.deliver({ kind: "answer", callId, tag: call.tag, context: call.context, answer });
  }

  /** Lets time pass and fires what is due on the way, in the order of (due, id). */
  advance(byMs: number): readonly Finished[] {
    const until = this.at + byMs;
    const fired: Finished[] = [];
    while (true) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= until).sort(byDue)[0];
      if (due === undefined) break;
      const [id, timer] = due;
      this.timers.delete(id);
      this.at = Math.max(this.at, timer.at);
      fired.push(this.deliver({ kind: "timer", id, dueAt: timer.at, payload: timer.payload }));
    }
    this.at = until;
    return fired;
  }

  deliver(delivery: Delivery): Finished {
    const turn = ++this.#turns;
    let request: TurnRequest = { turn, at: this.at, seed: turn.toString(16).padStart(16, "0"), delivery };
    if (this.#forgetful) this.#capsule.reset();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // What crosses is text in a node; a shared object here would hide a mistake.
      const result = JSON.parse(JSON.stringify(this.#capsule.deliver(request))) as TurnResult;
      if (result.kind !== "needKeys") {
        if (result.kind === "done") this.#apply(turn, result);
        return result;
      }
      request = this.keys.serve(request, result);
    }
    throw new Error(`the turn still asks for keys after ${MAX_ROUNDS} rounds`);
  }

  #apply(turn: number, { effects, logs = [] }: Extract<TurnResult, { kind: "done" }>): void {
    this.keys.apply(effects);
    this.logs.push(...logs);
    for (const [index, effect] of effects.entries()) {
      if (effect.do === "call") this.open.set(`made:${turn}:${index}`, effect);
      else if (effect.do === "setTimer")
        this.timers.set(effect.id, { at: effect.at, payload: effect.payload });
      else if (effect.do === "cancelTimer") this.timers.delete(effect.id);
    }
  }
}

function answerIn(result: Finished, callId: string): Answer | undefined {
  if (result.kind !== "done") return undefined;
  for (const effect of result.effects)
    if (effect.do === "answer" && effect.callId === callId) return effect.answer;
  return undefined;
}

type Timers = readonly [id: string, timer: { readonly at: number }];

function byDue([a, x]: Timers, [b, y]: Timers): number {
  return x.at - y.at || (a < b ? -1 : 1);
}
