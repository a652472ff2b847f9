/** What a capsule's handlers can do and what becomes of it, through the engine alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { capsule, type Handlers, type Json, later, refuse, type Turn, type TurnRequest } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";

const harness = (handlers: Handlers, forgetful = false): CapsuleHarness =>
  new CapsuleHarness(capsule(handlers), { forgetful });

/** A capsule with one call, `t.go`. */
const going = (go: (turn: Turn, input: Json) => unknown): CapsuleHarness =>
  harness({ calls: { "t.go": go as never } });

const failure = (go: (turn: Turn, input: Json) => unknown): [code: string, message: string] => {
  const { result } = going(go).call("t.go", null);
  assert.equal(result.kind, "failed", JSON.stringify(result));
  return [(result as { code: string }).code, (result as { message: string }).message];
};

const request = (turn: number, delivery: TurnRequest["delivery"]): TurnRequest => ({
  turn,
  at: 1,
  seed: "0123456789abcdef",
  delivery,
});

test("a handler reads and writes its keys, and what it returns is the answer", () => {
  const counter = going((turn) => {
    const n = ((turn.keys.get("n") as number | undefined) ?? 0) + 1;
    turn.keys.set("n", n);
    return { n };
  });
  counter.call("t.go", null);
  assert.deepEqual(counter.call("t.go", null).answer, { ok: true, value: { n: 2 } });
  assert.equal(counter.keys.values.get("n"), 2);
});

test("reading an unknown key ends the turn with needKeys, even when the handler catches everything", () => {
  const swallowing = capsule({
    events: {
      "t.v1": (turn) => {
        try {
          turn.keys.get("a");
        } catch {}
        try {
          turn.keys.entries("b/");
        } catch {}
        turn.keys.set("wrong", 1);
        turn.publish("x.v1", "", null);
      },
    },
  });
  const event = { kind: "event", topic: "t.v1", partition: 0, seq: 1, key: "", event: null } as const;
  const asked = swallowing.deliver(request(1, event));
  assert.deepEqual(asked, { turn: 1, kind: "needKeys", keys: ["a"], ranges: ["b/"] });
  const done = swallowing.deliver({ ...request(1, event), keys: [["a"], ["b/1", 1]], ranges: ["b/"] });
  assert.equal(done.kind, "done");
});

test("what a turn would ask for can be foreseen: nothing of it is kept, not even the keys it was given", () => {
  const one = capsule({
    calls: {
      "t.go": (turn) => {
        turn.keys.set("mine", 1);
        return [turn.keys.get("a") ?? null, ...turn.keys.entries("b/")].length;
      },
      "t.all": (turn) => turn.keys.getAll(["a", "mine", "c"]).map((value) => value ?? null),
    },
  });
  const call = (turn: number, method: string): TurnRequest =>
    request(turn, {
      kind: "call",
      callId: "c",
      capability: "t",
      method,
      input: null,
      caller: "x",
      deadlineAt: 9,
    });
  const foresee = (asked: TurnRequest): unknown => one.foresee?.(asked);
  const needs = (turn: number, ...keys: string[]) => ({ turn, kind: "needKeys", keys, ranges: [] });
  assert.deepEqual(foresee(call(1, "go")), needs(1, "a"));
  assert.deepEqual(foresee({ ...call(1, "go"), keys: [["a", 1]] }), needs(1, "a"));
  // Several at once, where a turn names them at once.
  assert.deepEqual(one.deliver(call(2, "all")), needs(2, "a", "mine", "c"));
  const told = one.deliver({ ...call(2, "all"), keys: [["a", 1], ["mine"], ["c", "x"]] });
  assert.deepEqual(told.kind === "done" && told.effects[0], {
    do: "answer",
    callId: "c",
    answer: { ok: true, value: [1, null, "x"] },
  });
  // Nothing left to ask for but a range, which is not guessed at.
  assert.deepEqual(foresee(call(3, "go")), needs(3));
});

test("a failed turn leaves nothing behind, neither effects nor cached writes", () => {
  const one = harness({
    calls: {
      "t.write": (turn, input) => {
        turn.keys.set("k", input);
        if (input === "bad") throw new Error("no");
        return null;
      },
      "t.read": (turn) => turn.keys.get("k") ?? null,
    },
  });
  one.call("t.write", "good");
  assert.equal(one.call("t.write", "bad").result.kind, "failed");
  assert.deepEqual(one.call("t.read", null).answer, { ok: true, value: "good" });
});

test("a prefix once read stays complete through the capsule's own writes", () => {
  const definition = capsule({
    calls: {
      "t.list": (turn) => turn.keys.entries("p/") as unknown as Json,
      "t.set": (turn, input) => {
        const [key, value] = input as [string, Json];
        if (value === null) turn.keys.delete(key);
        else turn.keys.set(key, value);
        return turn.keys.entries("p/") as unknown as Json;
      },
      "t.get": (turn, key) => turn.keys.get(key as string) ?? "none",
    },
  });
  const call = (turn: number, method: string, input: Json): TurnRequest =>
    request(turn, { kind: "call", callId: "c", capability: "t", method, input, caller: "x", deadlineAt: 9 });
  assert.equal(definition.deliver(call(1, "list", null)).kind, "needKeys");
  const served = { ...call(1, "list", null), keys: [["p/b", 1] as const], ranges: ["p/"] };
  const value = (result: unknown): unknown =>
    (result as { effects: { do: string; answer?: { value: unknown } }[] }).effects.find(
      (effect) => effect.do === "answer",
    )?.answer?.value;
  assert.deepEqual(value(definition.deliver(served)), [["p/b", 1]]);
  assert.deepEqual(value(definition.deliver(call(2, "set", ["p/a", 2]))), [
    ["p/a", 2],
    ["p/b", 1],
  ]);
  assert.deepEqual(value(definition.deliver(call(3, "set", ["p/b", null]))), [["p/a", 2]]);
  assert.deepEqual(value(definition.deliver(call(4, "list", null))), [["p/a", 2]]);
  assert.equal(value(definition.deliver(call(5, "get", "p/never"))), "none");
  assert.equal(definition.deliver(call(6, "get", "q/other")).kind, "needKeys");
  definition.reset();
  assert.equal(definition.deliver(call(7, "list", null)).kind, "needKeys");
});

test("a cache over its bound is dropped between turns and changes nothing but what has to be asked", () => {
  const definition = capsule({ calls: { "t.get": (turn, key) => turn.keys.get(key as string) ?? null } });
  definition.setCacheBytes(500);
  const call = (key: string): TurnRequest =>
    request(1, {
      kind: "call",
      callId: "c",
      capability: "t",
      method: "get",
      input: key,
      caller: "x",
      deadlineAt: 9,
    });
  const big = "x".repeat(1000);
  assert.equal(definition.deliver({ ...call("small"), keys: [["small", 1]] }).kind, "done");
  assert.equal(definition.deliver(call("small")).kind, "done");
  assert.equal(definition.deliver({ ...call("big"), keys: [["big", big]] }).kind, "done");
  assert.equal(definition.deliver(call("small")).kind, "needKeys");
});

test("what was handed over is copied: changing it later changes neither effects nor cache", () => {
  const list = [1];
  const mutating = harness({
    calls: {
      "t.go": (turn) => {
        turn.keys.set("k", list);
        turn.publish("x.v1", "", { list });
        list.push(2);
        return turn.keys.get("k") ?? null;
      },
      "t.read": (turn) => turn.keys.get("k") ?? null,
      "t.poke": (turn) => {
        (turn.keys.get("k") as unknown as number[]).push(99);
        return null;
      },
    },
  });
  assert.deepEqual(mutating.call("t.go", null).result, {
    turn: 1,
    kind: "done",
    effects: [
      { do: "write", key: "k", value: [1] },
      { do: "publish", topic: "x.v1", key: "", event: { list: [1] } },
      { do: "answer", callId: "test:1", answer: { ok: true, value: [1] } },
    ],
  });
  assert.equal(mutating.call("t.poke", null).result.kind, "failed");
  assert.deepEqual(mutating.call("t.read", null).answer, { ok: true, value: [1] });
});

test("a key written several times is one effect with the last value", () => {
  const { result } = going((turn) => {
    turn.keys.set("k", 1);
    turn.keys.delete("k");
    turn.keys.set("k", 2);
    return null;
  }).call("t.go", null);
  assert.deepEqual((result as unknown as unknown as { effects: unknown[] }).effects[0], {
    do: "write",
    key: "k",
    value: 2,
  });
  assert.equal((result as unknown as unknown as { effects: unknown[] }).effects.length, 2);
});

test("whatever is not JSON fails the turn and says where", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const cases: [value: unknown, place: RegExp][] = [
    [undefined, /undefined/],
    [Number.NaN, /NaN/],
    [{ a: [0, -0] }, /\/a\/1: -0/],
    [-0, /\/: -0/],
    [Number.POSITIVE_INFINITY, /Infinity/],
    [2 ** 53, /2\^53/],
    [() => 1, /function/],
    [Symbol("s"), /symbol/],
    [10n, /bigint/],
    [{ at: new Date(0) }, /\/at: only plain/],
    [new Map(), /only plain/],
    [[1, undefined, 2], /\/1: undefined/],
    [cycle, /deeper than/],
    [JSON.parse('{"__proto__": 1}'), /__proto__/],
    [Object.create({ inherited: 1 }), /only plain/],
  ];
  for (const [value, place] of cases) {
    for (const go of [
      (turn: Turn) => (turn.keys.set("k", value as Json), null),
      (turn: Turn) => (turn.publish("x.v1", "", value as Json), null),
      () => value,
    ]) {
      const [code, message] = failure(go);
      assert.equal(code, "TURN_EFFECT_INVALID", String(place));
      assert.match(message, place);
    }
  }
  assert.equal(failure((turn) => (turn.setTimer("t", 1.5), null))[0], "TURN_EFFECT_INVALID");
  assert.equal(failure((turn) => (turn.publish(7 as never, "", null), null))[0], "TURN_EFFECT_INVALID");
  assert.equal(failure((turn) => (turn.answer("c", { ok: true } as never), null))[0], "TURN_EFFECT_INVALID");
});

test("an effect that was refused fails the turn though the handler caught it", () => {
  const [code] = failure((turn) => {
    try {
      turn.keys.set("k", undefined as never);
    } catch {}
    return null;
  });
  assert.equal(code, "TURN_EFFECT_INVALID");
});

test("a getter is asked once and a proxy is read as what it shows", () => {
  let asked = 0;
  const value = {
    get n() {
      return ++asked;
    },
  };
  const { answer } = going(() => new Proxy(value, {})).call("t.go", null);
  assert.deepEqual(answer, { ok: true, value: { n: 1 } });
});

test("a promise fails the turn, by whatever handler", () => {
  assert.equal(failure(async () => 1)[0], "TURN_RETURNED_PROMISE");
  assert.equal(failure(() => ({ then: () => {} }))[0], "TURN_RETURNED_PROMISE");
  const started = harness({ start: (async () => {}) as never }).start();
  assert.equal((started as { code?: string }).code, "TURN_RETURNED_PROMISE");
  // At once: with the key it would only fail again, and which keys are here must not decide how a turn ends.
  const waiting = capsule({ events: { "t.v1": (async (turn: Turn) => turn.keys.get("a")) as never } });
  const event = { kind: "event", topic: "t.v1", partition: 0, seq: 1, key: "", event: null } as const;
  const asked = waiting.deliver(request(1, event));
  assert.equal((asked as { code?: string }).code, "TURN_RETURNED_PROMISE", JSON.stringify(asked));
  assert.deepEqual(waiting.deliver({ ...request(1, event), keys: [["a", 1]] }), asked);
});

test("anything may be thrown; the message is bounded and made without the thrown thing's help", () => {
  const throwing = (what: unknown): string => {
    const [code, message] = failure(() => {
      throw what;
    });
    assert.equal(code, "TURN_HANDLER_THREW");
    assert.ok(message.length <= 520);
    return message;
  };
  assert.equal(throwing(new TypeError("no")), "TypeError: no");
  assert.match(throwing("text"), /threw the text "text"/);
  assert.match(throwing(undefined), /threw undefined/);
  assert.match(throwing({ toString: () => "lie" }), /an object/);
  assert.match(throwing(new Error("x".repeat(10_000))), /\.\.\.$/);
  const hostile = new Error("x");
  Object.defineProperty(hostile, "message", {
    get() {
      throw new Error("again");
    },
  });
  assert.match(throwing(hostile), /cannot be described/);
  assert.match(throwing(Symbol("s")), /Symbol\(s\)/);
});

test("a message about a name is cut in its middle, so that it says what is wrong and is one to the kernel", () => {
  const name = "k".repeat(10_000);
  for (const go of [
    (turn: Turn) => turn.keys.set(name, -0),
    (turn: Turn) => turn.publish(name, "", -0),
    (turn: Turn) => turn.keys.set("k", { [name]: -0 }),
  ]) {
    const [code, message] = failure(go);
    assert.equal(code, "TURN_EFFECT_INVALID");
    assert.ok(message.length < 1_000, `${message.length} characters`);
    assert.match(message, /k\.\.\.k.*: -0 does not survive JSON$/);
  }
});

test("where an error was made is said beside the message, for an error alone, and bounded", () => {
  const placed = (what: unknown): string | undefined => {
    const { result } = going(() => {
      throw what;
    }).call("t.go", null);
    return (result as { readonly place?: string }).place;
  };
  assert.match(placed(new Error("no at x.ts:1:2")) ?? "", /engine\.test\.ts:\d+:\d+$/);
  assert.equal(placed("text"), undefined);
  assert.equal(placed(Object.assign(new Error("x"), { stack: 7 })), undefined);
  assert.equal(
    placed(Object.assign(new Error("x"), { stack: `Error: x\n    at ${"f".repeat(300)}:1:2` })),
    undefined,
  );
  const hostile = new Error("x");
  Object.defineProperty(hostile, "stack", {
    get() {
      throw new Error("again");
    },
  });
  assert.equal(placed(hostile), undefined);
});

test("what nobody handles: an event, an answer or a timer fails its turn, a call is answered", () => {
  const empty = harness({});
  assert.equal((empty.event("x.v1", null) as { code?: string }).code, "TURN_HANDLER_MISSING");
  assert.equal((empty.event("constructor", null) as { code?: string }).code, "TURN_HANDLER_MISSING");
  const timer = empty.deliver({ kind: "timer", id: "a:b", dueAt: 1, payload: null });
  assert.equal((timer as { code?: string }).code, "TURN_HANDLER_MISSING");
  const { answer } = empty.call("t.nothing", null);
  assert.equal(answer?.ok === false && answer.code, "CALL_METHOD_UNKNOWN");
  assert.equal(empty.start().kind, "done");
});

test("refuse answers with the code; an answer that merely has such a member does not", () => {
  const { answer } = going(() => refuse("NO", "not today", { until: 1 })).call("t.go", null);
  assert.deepEqual(answer, { ok: false, code: "NO", message: "not today", details: { until: 1 } });
  const alike = going(() => ({ refused: { code: "NO", message: "x" }, more: 1 })).call("t.go", null);
  assert.equal(alike.answer?.ok, true);
});

test("later answers in a later turn; calls, answers and timers find their handlers", () => {
  const one = harness({
    calls: {
      "t.ask": (turn, _input, { callId }) => {
        turn.call({ capability: "other", method: "do", input: 1, tag: "done", context: { callId } });
        turn.setTimer("slow:1", turn.at + 10, "tick");
        return later;
      },
    },
    answers: {
      done: (turn, answer, context) => {
        turn.cancelTimer("slow:1");
        turn.answer((context as { callId: string }).callId, answer);
      },
    },
    timers: { slow: (turn, payload, id, dueAt) => turn.keys.set("fired", [payload, id, dueAt]) },
  });
  const asked = one.call("t.ask", null);
  assert.equal(asked.answer, undefined);
  one.advance(50);
  assert.deepEqual(one.keys.values.get("fired"), ["tick", "slow:1", 1_700_000_000_010]);
  const [callId = ""] = one.open.keys();
  const answered = one.answer(callId, { ok: true, value: 7 });
  assert.deepEqual((answered as unknown as unknown as { effects: unknown[] }).effects, [
    { do: "cancelTimer", id: "slow:1" },
    { do: "answer", callId: asked.callId, answer: { ok: true, value: 7 } },
  ]);
});

test("randomness is the seed's: the same again for the same seed, another for another", () => {
  const draw = (seed: string): unknown => {
    const definition = capsule({
      calls: { "t.go": (turn) => [turn.random(), turn.random(), turn.id("x"), turn.id("y")] },
    });
    const call = {
      kind: "call",
      callId: "c",
      capability: "t",
      method: "go",
      input: null,
      caller: "x",
      deadlineAt: 9,
    } as const;
    const result = definition.deliver({ turn: 1, at: 1, seed, delivery: call });
    return (result as unknown as { effects: [{ answer: { value: unknown } }] }).effects[0].answer.value;
  };
  assert.deepEqual(draw("0123456789abcdef"), draw("0123456789abcdef"));
  assert.notDeepEqual(draw("0123456789abcdef"), draw("0123456789abcdee"));
  const [a, b, id] = draw("ffffffff00000000") as [number, number, string];
  assert.ok(a >= 0 && a < 1 && b >= 0 && b < 1 && a !== b);
  assert.match(id, /^x_[0-9a-hjkmnp-tv-z]{20}$/);
});

test("a Turn that was kept does nothing in a later turn", () => {
  let kept: Turn | undefined;
  const one = going((turn) => {
    kept ??= turn;
    kept.keys.set("k", 1);
    return null;
  });
  assert.equal(one.call("t.go", null).result.kind, "done");
  assert.equal((one.call("t.go", null).result as { code?: string }).code, "TURN_HANDLER_THREW");
});

test("a handler that writes to the list of what its turn asked for reaches no other turn", () => {
  const one = going((turn) => {
    (turn as unknown as { effects: unknown[] }).effects.push({ do: "write", key: "k", value: 1 });
    return null;
  });
  assert.equal((one.call("t.go", null).result as { code?: string }).code, "TURN_HANDLER_THREW");
  const quiet = harness({ events: { t: () => undefined } });
  assert.deepEqual(quiet.event("t", null), { turn: 1, kind: "done", effects: [] });
});

test("a flood of lines is cut and counted", () => {
  const one = going((turn) => {
    for (let line = 0; line < 1000; line++) turn.log("info", `line ${line}`, { big: "x".repeat(20_000) });
    return null;
  });
  one.call("t.go", null);
  assert.equal(one.logs.length, 65);
  assert.match(one.logs.at(-1)?.message ?? "", /936 more lines/);
  assert.match(JSON.stringify(one.logs[0]?.data), /left out/);
});
