/**
 * Runs the turns of one capsule: finds the handler, runs it to completion, and says what came of it. It is pure
 * JavaScript with no host API, bundled into every capsule; whoever runs the bundle calls `deliver`, one turn at a time.
 *
 * 1. A turn leaves something in the cache only when it ends in `done`.
 * 2. Every end of a handler is a `TurnResult`; nothing is thrown at the sandbox.
 */
import type { Delivery, Json, TurnRequest, TurnResult } from "@vnes/schemas";
import { type Handlers, later } from "./capsule.ts";
import { copyJson, NotJson } from "./json-copy.ts";
import { KeyCache } from "./key-cache.ts";
import { describeThrown, placeOfThrown } from "./thrown.ts";
import { TurnRun } from "./turn-run.ts";

/** The default export of a logic capsule's `src/main.ts`. */
export interface Capsule {
  deliver(request: TurnRequest): TurnResult;
  /**
   * What the turn would ask for, in a `needKeys`; nothing of it is kept. For turns behind one that needs keys, so that they
   * need not stop one after the other. It is a guess: what the turns before it write is not there yet.
   */
  foresee?(request: TurnRequest): TurnResult;
  /** Drops every cached key. Module variables of the capsule stay: they are caches of its own. */
  reset(): void;
  /** Beyond this the cache is dropped between turns. */
  setCacheBytes(bytes: number): void;
}

/** Names the default export of a capsule's `src/main.ts`. */
export function capsule(handlers: Handlers): Capsule {
  const calls = callTable(handlers.calls);
  return capsuleOf((run, delivery) => {
    if (delivery.kind === "call") runCall(calls, run, delivery);
    else runHandler(handlers, run, delivery);
  }, placeOfThrown);
}

/** Every delivery but an `expiry`, whose answer is the same for every capsule. */
export type HandleDelivery = (run: TurnRun, delivery: Exclude<Delivery, { kind: "expiry" }>) => void;

/**
 * The engine without the table of handlers: for those who run turns written in another language. `placeOf` says where something was
 * thrown; the frames of an adapter mean nothing to an author.
 */
export function capsuleOf(
  handle: HandleDelivery,
  placeOf: (thrown: unknown) => string | undefined = () => undefined,
): Capsule {
  const cache = new KeyCache();
  return {
    deliver: (request) => deliver(handle, cache, request, placeOf),
    foresee: (request) => foresee(handle, cache, request),
    reset: () => cache.clear(),
    setCacheBytes: (bytes) => cache.setMaxBytes(bytes),
  };
}

function deliver(
  handle: HandleDelivery,
  cache: KeyCache,
  request: TurnRequest,
  placeOf: (thrown: unknown) => string | undefined,
): TurnResult {
  if (request.keys !== undefined || request.ranges !== undefined) learn(cache, request);
  const { turn, delivery } = request;
  const run = new TurnRun(request, cache);
  let thrown: { readonly what: unknown } | undefined;
  try {
    if (delivery.kind === "expiry") run.keys.delete(delivery.key);
    else handle(run, delivery);
  } catch (what) {
    thrown = { what };
  }
  run.close();
  const result = resultOf(turn, run, cache, thrown, placeOf);
  if (result.kind === "done") cache.commit();
  else cache.rollback();
  cache.trim();
  return result;
}

function foresee(handle: HandleDelivery, cache: KeyCache, request: TurnRequest): TurnResult {
  const { turn, delivery } = request;
  const run = new TurnRun(request, cache);
  try {
    if (delivery.kind !== "expiry") handle(run, delivery);
  } catch {
    // What stops it now may not stop the turn itself.
  }
  run.close();
  cache.rollback();
  // A range may be all there is: whoever really needs it asks for it.
  return { turn, kind: "needKeys", keys: [...(run.needed?.keys ?? [])], ranges: [] };
}

function learn(cache: KeyCache, { keys = [], ranges = [] }: TurnRequest): void {
  for (const [key, value, version] of keys) {
    if (value === undefined) {
      cache.learn(key, undefined, 0, null);
      continue;
    }
    const copied = copyJson(value, true);
    cache.learn(key, copied.value, copied.size, version);
  }
  for (const prefix of ranges) cache.learnRange(prefix);
}

function resultOf(
  turn: number,
  run: TurnRun,
  cache: KeyCache,
  thrown: { readonly what: unknown } | undefined,
  placeOf: (thrown: unknown) => string | undefined,
): TurnResult {
  // Before anything else: what a handler did without a key it asked for means nothing.
  if (run.needed !== undefined) {
    return { turn, kind: "needKeys", keys: [...run.needed.keys], ranges: [...run.needed.ranges] };
  }
  if (run.failure !== undefined)
    return { turn, kind: "failed", code: run.failure.code, message: run.failure.message };
  if (thrown !== undefined) {
    const failed = {
      turn,
      kind: "failed",
      code: "TURN_HANDLER_THREW",
      message: describeThrown(thrown.what),
    } as const;
    const place = placeOf(thrown.what);
    return place === undefined ? failed : { ...failed, place };
  }
  const effects = cache.effects(run.effects);
  return run.logs === undefined
    ? { turn, kind: "done", effects }
    : { turn, kind: "done", effects, logs: run.logs };
}

function runHandler(
  handlers: Handlers,
  run: TurnRun,
  delivery: Exclude<Delivery, { kind: "expiry" | "call" }>,
): void {
  switch (delivery.kind) {
    case "start":
      return ended(run, handlers.start?.(run, delivery.config, delivery.resumed));
    case "event": {
      const { topic, event, key, partition, seq } = delivery;
      const handler = own(handlers.events, topic) ?? missing(run, "events", topic);
      return ended(run, handler(run, event, { topic, key, partition, seq }));
    }
    case "batch": {
      const { topic, partition, events } = delivery;
      const handler = own(handlers.batches, topic) ?? missing(run, "batches", topic);
      return ended(run, handler(run, events, { topic, partition }));
    }
    case "answer": {
      const { tag, answer, context, callId } = delivery;
      const handler = own(handlers.answers, tag) ?? missing(run, "answers", tag);
      return ended(run, handler(run, answer, context, callId));
    }
    case "timer": {
      const { id, payload, dueAt } = delivery;
      const colon = id.indexOf(":");
      const name = colon < 0 ? id : id.slice(0, colon);
      const handler = own(handlers.timers, name) ?? missing(run, "timers", name);
      return ended(run, handler(run, payload, id, dueAt));
    }
  }
}

type CallDelivery = Extract<Delivery, { kind: "call" }>;
type CallTable = ReadonlyMap<string, ReadonlyMap<string, NonNullable<Handlers["calls"]>[string]>>;

/** By capability, then by method: a name put together for each call would have to be hashed for each call. */
function callTable(calls: Handlers["calls"] = {}): CallTable {
  const table = new Map<string, Map<string, NonNullable<Handlers["calls"]>[string]>>();
  for (const name of Object.keys(calls)) {
    const dot = name.lastIndexOf(".");
    const capability = name.slice(0, Math.max(0, dot));
    const methods = table.get(capability) ?? new Map<string, NonNullable<Handlers["calls"]>[string]>();
    table.set(capability, methods.set(name.slice(dot + 1), calls[name] as never));
  }
  return table;
}

function runCall(calls: CallTable, run: TurnRun, delivery: CallDelivery): void {
  const { callId, capability, method, input, caller, deadlineAt } = delivery;
  const handler = calls.get(capability)?.get(method);
  if (handler === undefined) return callUnknown(run, delivery);
  const returned: unknown = handler(run, input, { callId, caller, deadlineAt });
  ended(run, returned);
  callEnded(run, delivery, returned);
}

/** Answers a call that nobody here handles. */
export function callUnknown(run: TurnRun, { callId, capability, method }: CallDelivery): void {
  const message = `${capability}.${method} has no handler here`;
  run.answerCurrent(callId, { ok: false, code: "CALL_METHOD_UNKNOWN", message });
}

/** Answers a call with what its handler returned: a value, what `refuse` made, or `later`. */
export function callEnded(
  run: TurnRun,
  { callId, capability, method }: CallDelivery,
  returned: unknown,
): void {
  if (returned === later) return;
  const value = answerOf(run, capability, method, returned);
  const refused = refusalOf(value);
  run.answerCurrent(callId, refused === undefined ? { ok: true, value } : { ok: false, ...refused });
}

/** A turn is synchronous: what a promise does later would be in no turn. */
function ended(run: TurnRun, returned: unknown): void {
  if (typeof returned !== "object" && typeof returned !== "function") return;
  if (returned === null || typeof (returned as { then?: unknown }).then !== "function") return;
  // Rejected, as by a key that is not here, with nobody who waits for it, it would end the sandbox in its own words.
  if (returned instanceof Promise) void returned.then(ignore, ignore);
  run.failForGood("TURN_RETURNED_PROMISE", "the handler returned a promise; handlers are synchronous");
}

function ignore(): void {}

function answerOf(run: TurnRun, capability: string, method: string, returned: unknown): Json {
  try {
    return copyJson(returned, false).value;
  } catch (cause) {
    if (!(cause instanceof NotJson)) throw cause;
    const name = `${capability}.${method}`;
    return run.fail("TURN_EFFECT_INVALID", `answer of ${name}: ${cause.pointer || "/"}: ${cause.message}`);
  }
}

/** What `refuse` made: a member `refused` and nothing else. */
function refusalOf(
  value: Json,
): { readonly code: string; readonly message: string; readonly details?: Json } | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { refused } = value as {
    readonly refused?: { readonly code?: unknown; readonly message?: unknown };
  };
  if (typeof refused !== "object" || refused === null || Object.keys(value).length > 1) return undefined;
  if (typeof refused.code !== "string" || typeof refused.message !== "string") return undefined;
  return refused as { readonly code: string; readonly message: string; readonly details?: Json };
}

/** A name that came from outside must not find what every object has, such as `constructor`. */
function own<T>(table: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Ends a turn that nobody here handles. */
export function missing(run: TurnRun, table: string, name: string): never {
  return run.fail("TURN_HANDLER_MISSING", `the capsule has no ${table}[${JSON.stringify(name)}]`);
}
