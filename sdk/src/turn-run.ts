/**
 * One turn while it runs: the `Turn` a handler is given, and what it asked for so far.
 *
 * 1. What stops a turn (a key to be fetched, an effect that is not JSON) is thrown at the handler and remembered here, so a
 *    handler that catches everything cannot go on as if nothing had happened.
 *    Methods that are not in `Turn` are the engine's.
 * 2. Once the handler has returned, its `Turn` does nothing any more: a capsule that keeps one cannot reach into a later turn.
 */
import type { Answer, Effect, Json, LogLine, TurnRequest } from "@vnes/schemas";
import type { Keys, ReadRequest, Turn } from "./capsule.ts";
import { copyJson, NotJson } from "./json-copy.ts";
import type { KeyCache } from "./key-cache.ts";
import { SeededRandom } from "./seeded-random.ts";
import { shortened } from "./thrown.ts";
import { TurnKeys } from "./turn-keys.ts";

const DEFAULT_TIMEOUT_MS = 5_000;
/** A turn that says more is a loop; what is dropped is counted in one last line. */
export const MAX_LOG_LINES = 64;
const MAX_LOG_MESSAGE = 2_000;
const MAX_LOG_DATA = 16_384;
/** A guard against a loop that only asks; the kernel's own bound is far below. */
const MAX_ASKED = 65_536;

/** Of a turn that has asked for nothing. All of them share it, so nobody can write to it. */
const NO_EFFECTS: readonly Effect[] = Object.freeze([]);

/** Why a turn ended before its handler returned. */
class TurnStop extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(shortened(message));
    this.code = code;
  }
}

export class TurnRun implements Turn {
  readonly at: number;
  readonly keys: Keys;
  effects: readonly Effect[] = NO_EFFECTS;
  /** Most turns say nothing. */
  logs: LogLine[] | undefined;
  /** What only the kernel can tell; then nothing else of the turn counts. */
  needed: { readonly keys: Set<string>; readonly ranges: Set<string> } | undefined;
  /** The first reason this turn has failed. */
  failure: TurnStop | undefined;
  readonly #seed: string;
  #random: SeededRandom | undefined;
  #droppedLogs = 0;
  #open = true;

  constructor(request: TurnRequest, cache: KeyCache) {
    this.at = request.at;
    this.#seed = request.seed;
    this.keys = new TurnKeys(this, cache);
  }

  /** No effect, no read and no line after this. */
  close(): void {
    this.#open = false;
    if (this.#droppedLogs > 0) {
      this.logs?.push({
        level: "warn",
        message: `${this.#droppedLogs} more lines of this turn were dropped`,
      });
    }
  }

  random(): number {
    this.mustBeOpen();
    this.#random ??= new SeededRandom(this.#seed);
    return this.#random.random();
  }

  id(prefix: string): string {
    this.mustBeOpen();
    this.#random ??= new SeededRandom(this.#seed);
    return this.#random.id(this.text(prefix, "id prefix"));
  }

  publish(topic: string, key: string, event: Json): void {
    this.mustBeOpen();
    const what = `publish ${topic}`;
    this.#ask({
      do: "publish",
      topic: this.text(topic, what),
      key: this.text(key, what),
      event: this.#json(event, what),
    });
  }

  call({
    capability,
    method,
    input,
    tag,
    context = null,
    timeoutMs = DEFAULT_TIMEOUT_MS,
  }: Parameters<Turn["call"]>[0]): void {
    this.mustBeOpen();
    const what = `call ${capability}.${method}`;
    this.#ask({
      do: "call",
      tag: this.text(tag, what),
      capability: this.text(capability, what),
      method: this.text(method, what),
      input: this.#json(input, what),
      context: this.#json(context, what),
      timeoutMs: this.#whole(timeoutMs, what),
    });
  }

  read({ capsule, tag, context = null, timeoutMs = DEFAULT_TIMEOUT_MS, ...query }: ReadRequest): void {
    this.mustBeOpen();
    const what = `read ${capsule}`;
    if ((query.keys === undefined) === (query.prefix === undefined))
      this.fail("TURN_EFFECT_INVALID", `${what}: name either keys or a prefix`);
    this.#ask({
      do: "read",
      tag: this.text(tag, what),
      capsule: this.text(capsule, what),
      ...readQuery(this.#json(query, what) as unknown as ReadQuery),
      context: this.#json(context, what),
      timeoutMs: this.#whole(timeoutMs, what),
    });
  }

  answer(callId: string, answer: Answer): void {
    this.mustBeOpen();
    const what = `answer ${callId}`;
    const copied = this.#json(answer, what) as unknown as Answer;
    if (!isAnswer(copied))
      this.fail("TURN_EFFECT_INVALID", `${what}: not { ok: true, value } or { ok: false, code, message }`);
    this.#ask({ do: "answer", callId: this.text(callId, what), answer: copied });
  }

  setTimer(id: string, at: number, payload: Json = null): void {
    this.mustBeOpen();
    const what = `timer ${id}`;
    this.#ask({
      do: "setTimer",
      id: this.text(id, what),
      at: this.#whole(at, what),
      payload: this.#json(payload, what),
    });
  }

  cancelTimer(id: string): void {
    this.mustBeOpen();
    this.#ask({ do: "cancelTimer", id: this.text(id, "cancelTimer") });
  }

  log(level: LogLine["level"], message: string, data?: Json): void {
    this.mustBeOpen();
    this.logs ??= [];
    if (this.logs.length >= MAX_LOG_LINES) {
      this.#droppedLogs += 1;
      return;
    }
    const line = {
      level: LEVELS.has(level) ? level : "info",
      message: String(message).slice(0, MAX_LOG_MESSAGE),
    } as const;
    this.logs.push(data === undefined ? line : { ...line, data: logData(data) });
  }

  /** Ends the turn; throws so that the handler stops. */
  fail(code: string, message: string): never {
    this.failure ??= new TurnStop(code, message);
    throw this.failure;
  }

  /** The same for a turn that no key can mend: whatever was in its cache, it ends like this. */
  failForGood(code: string, message: string): never {
    this.needed = undefined;
    this.failure = new TurnStop(code, message);
    throw this.failure;
  }

  /** Takes an answer the engine has made and copied itself. */
  answerCurrent(callId: string, answer: Answer): void {
    this.#ask({ do: "answer", callId, answer });
  }

  /** Ends the turn for now; throws so that the handler stops. */
  need(kind: "keys" | "ranges", ...names: readonly string[]): never {
    this.needed ??= { keys: new Set(), ranges: new Set() };
    for (const name of names) this.needed[kind].add(name);
    throw new TurnStop("NEEDS_KEYS", `${names.join(", ")} is not here yet`);
  }

  #ask(effect: Effect): void {
    if (this.effects.length >= MAX_ASKED)
      this.fail("TURN_EFFECTS_TOO_LARGE", `more than ${MAX_ASKED} effects`);
    // A list that grows from nothing makes room for sixteen more, and most turns ask for one.
    if (this.effects === NO_EFFECTS) this.effects = [effect];
    else (this.effects as Effect[]).push(effect);
  }

  #json(value: unknown, what: string): Json {
    try {
      return copyJson(value, false).value;
    } catch (cause) {
      return this.refuse(cause, what);
    }
  }

  refuse(cause: unknown, what: string): never {
    if (!(cause instanceof NotJson)) throw cause;
    return this.fail("TURN_EFFECT_INVALID", `${what}: ${cause.pointer || "/"}: ${cause.message}`);
  }

  text(value: string, what: string): string {
    if (typeof value !== "string")
      this.fail("TURN_EFFECT_INVALID", `${what}: a ${typeof value} where a string belongs`);
    return value;
  }

  #whole(value: number, what: string): number {
    if (!Number.isSafeInteger(value))
      this.fail("TURN_EFFECT_INVALID", `${what}: milliseconds are whole numbers`);
    return value;
  }

  mustBeOpen(): void {
    if (!this.#open) throw new TurnStop("TURN_OVER", "this turn is over: a Turn must not be kept for later");
  }
}

type ReadQuery = Omit<ReadRequest, "capsule" | "tag" | "context" | "timeoutMs">;

/** Nothing besides the members there are: whatever else an author passes does not reach the kernel. */
function readQuery({ shard, keys, prefix, after, limit }: ReadQuery): ReadQuery {
  return {
    ...(shard === undefined ? {} : { shard }),
    ...(keys === undefined ? {} : { keys }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit }),
  };
}

const LEVELS: ReadonlySet<string> = new Set(["debug", "info", "warn", "error"]);

function logData(data: unknown): Json {
  try {
    const { value, size } = copyJson(data, false);
    return size <= MAX_LOG_DATA ? value : `(${size} bytes, left out)`;
  } catch {
    return "(not JSON, left out)";
  }
}

function isAnswer(answer: Answer): boolean {
  if (typeof answer !== "object" || answer === null) return false;
  if (answer.ok === true) return answer.value !== undefined;
  return answer.ok === false && typeof answer.code === "string" && typeof answer.message === "string";
}
