/**
 * A test kit: runs a capsule in this process, turn by turn, as a kernel would: it keeps the keys, gives those that were
 * asked for, applies what a finished turn wrote, and remembers open calls and timers. It checks no schema and no manifest.
 */
import type {
  Answer,
  Delivery,
  Effect,
  GivenKey,
  Json,
  LogLine,
  TurnRequest,
  TurnResult,
} from "@vnes/schemas";
import type { Capsule } from "./engine.ts";

/** A turn that still asks for keys after this many rounds asks in circles. */
const MAX_ROUNDS = 1_024;
const CALL_TIMEOUT_MS = 5_000;

export type Finished = Exclude<TurnResult, { kind: "needKeys" }>;

/** The keys of one shard, as the kernel holds them. */
export class KeyTable {
  readonly values: Map<string, Json> = new Map();
  readonly versions: Map<string, number> = new Map();
  /** When each key expires, of those that do. */
  readonly expiries: Map<string, number> = new Map();
  #seq = 0;

  /** The same request with what its turn asked for, beside what it was given before. */
  serve(request: TurnRequest, needed: Extract<TurnResult, { kind: "needKeys" }>): TurnRequest {
    const ranges = [...(request.ranges ?? []), ...needed.ranges];
    const wanted = new Set(needed.keys);
    for (const key of needed.ranges.length === 0 ? [] : this.values.keys())
      if (needed.ranges.some((prefix) => key.startsWith(prefix))) wanted.add(key);
    const served = [...wanted].map((key): GivenKey => {
      const [value, version] = [this.values.get(key), this.versions.get(key)];
      return value === undefined || version === undefined ? [key] : [key, value, version];
    });
    return { ...request, keys: [...(request.keys ?? []), ...served], ranges };
  }

  /** The first write that expects another version than the key has. */
  conflict(effects: readonly Effect[]): string | undefined {
    for (const effect of effects) {
      if ((effect.do !== "write" && effect.do !== "delete") || effect.expect === undefined) continue;
      const found = this.versions.get(effect.key) ?? null;
      if (found !== effect.expect) return `${effect.key} has version ${found}, not ${effect.expect}`;
    }
    return undefined;
  }

  /** `at` is the turn's time, from which keys with a time to live count. */
  apply(effects: readonly Effect[], at = 0): void {
    this.#seq += 1;
    for (const effect of effects) {
      if (effect.do === "write") {
        this.values.set(effect.key, effect.value);
        this.versions.set(effect.key, this.#seq);
        this.expiries.delete(effect.key);
        if (effect.ttlMs !== undefined) this.expiries.set(effect.key, at + effect.ttlMs);
      } else if (effect.do === "delete") {
        for (const table of [this.values, this.versions, this.expiries]) table.delete(effect.key);
      }
    }
  }
}

export interface HarnessOptions {
  /** Node time of the first turn. Default 1,700,000,000,000. */
  readonly at?: number;
  /** Drops the capsule's cache before every turn: what it does must not depend on it. */
  readonly forgetful?: boolean;
}

type CallEffect = Extract<Effect, { do: "call" | "read" }>;

export class CapsuleHarness {
  readonly keys: KeyTable = new KeyTable();
  readonly timers: Map<string, { readonly at: number; readonly payload: Json }> = new Map();
  /** Calls and reads the capsule made that were not answered yet, by call id. */
  readonly open: Map<string, CallEffect> = new Map();
  readonly logs: LogLine[] = [];
  /** Node time in milliseconds. */
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

  /** As of an `at_most_once` topic: without a place in its partition. */
  event(topic: string, event: Json, key = ""): Finished {
    return this.deliver({ kind: "event", topic, event, key, partition: 0, seq: null });
  }

  /** `seq` counts from 1; `key` is empty. */
  batch(topic: string, events: readonly Json[]): Finished {
    const numbered = events.map((event, index) => ({ seq: index + 1, key: "", event }));
    return this.deliver({ kind: "batch", topic, partition: 0, events: numbered });
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

  /** Ends a call or a read the capsule made; throws when it is not open. */
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
      const due = this.#due()
        .filter(({ dueAt }) => dueAt <= until)
        .sort(byDue)[0];
      if (due === undefined) break;
      if (due.kind === "timer") this.timers.delete(due.id);
      this.at = Math.max(this.at, due.dueAt);
      fired.push(this.deliver(due));
    }
    this.at = until;
    return fired;
  }

  #due(): Due[] {
    const timers = [...this.timers].map(([id, { at, payload }]): Due => {
      return { kind: "timer", id, dueAt: at, payload };
    });
    const keys = [...this.keys.expiries].map(([key, dueAt]): Due => {
      return { kind: "expiry", key, version: this.keys.versions.get(key) ?? 0, dueAt };
    });
    return [...timers, ...keys];
  }

  /** One turn, to its end; throws when it asks for keys without end. */
  deliver(delivery: Delivery): Finished {
    const turn = ++this.#turns;
    let request: TurnRequest = { turn, at: this.at, seed: turn.toString(16).padStart(16, "0"), delivery };
    if (this.#forgetful) this.#capsule.reset();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // What crosses is text in a node; a shared object here would hide a mistake.
      const result = JSON.parse(JSON.stringify(this.#capsule.deliver(request))) as TurnResult;
      if (result.kind !== "needKeys") {
        return result.kind === "done" ? this.#apply(turn, result) : result;
      }
      request = this.keys.serve(request, result);
    }
    throw new Error(`the turn still asks for keys after ${MAX_ROUNDS} rounds`);
  }

  #apply(turn: number, result: Extract<TurnResult, { kind: "done" }>): Finished {
    const { effects, logs = [] } = result;
    const message = this.keys.conflict(effects);
    if (message !== undefined) {
      this.#capsule.reset();
      return { turn, kind: "failed", code: "TURN_VERSION_CONFLICT", message };
    }
    this.keys.apply(effects, this.at);
    this.logs.push(...logs);
    for (const [index, effect] of effects.entries()) {
      if (effect.do === "call" || effect.do === "read") this.open.set(`made:${turn}:${index}`, effect);
      else if (effect.do === "setTimer")
        this.timers.set(effect.id, { at: effect.at, payload: effect.payload });
      else if (effect.do === "cancelTimer") this.timers.delete(effect.id);
    }
    return result;
  }
}

function answerIn(result: Finished, callId: string): Answer | undefined {
  if (result.kind !== "done") return undefined;
  for (const effect of result.effects)
    if (effect.do === "answer" && effect.callId === callId) return effect.answer;
  return undefined;
}

type Due = Extract<Delivery, { kind: "timer" | "expiry" }>;

function byDue(a: Due, b: Due): number {
  const [x, y] = [a, b].map((due) => (due.kind === "timer" ? `t:${due.id}` : `k:${due.key}`)) as [
    string,
    string,
  ];
  return a.dueAt - b.dueAt || (x < y ? -1 : 1);
}
