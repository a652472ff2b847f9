/** Histories that are right, and the same with one thing wrong: each names its rule. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Delivery, Effect, Json } from "@vnes/schemas";
import { nodeDigest } from "@vnes/registry";
import type { TurnInput } from "../../../kernel/src/ledger/record.ts";
import { checkAcknowledged } from "../acknowledged.ts";
import { decodeLedger } from "../ledger-history.ts";
import type { Operation } from "../operation.ts";
import { checkReads } from "../reads.ts";
import { asked, consumed, flash, LedgerMaker, publish, received, took } from "./ledger-maker.ts";

const QUIET = 1_000_000;

/** `a` publishes two events, `b` consumes both. */
function published(): LedgerMaker {
  const maker = new LedgerMaker().turn("a/0", asked(), [publish(1), publish(2)]);
  return maker.event(["a/0", 1, 0], 1).event(["a/0", 1, 1], 2);
}

function consumedBoth(): LedgerMaker {
  const maker = published();
  return maker.turn("b/0", consumed(maker, 1)).turn("b/0", consumed(maker, 2));
}

test("a whole history breaks no rule", () => {
  assert.deepEqual(consumedBoth().rules(QUIET), []);
});

test("a changed byte, a missing record and a moved one break the chain (H1)", () => {
  const changed = consumedBoth();
  const record = changed.stored.get("a/0")?.[0];
  assert.ok(record);
  record.bytes[10] = (record.bytes[10] ?? 0) ^ 1;
  assert.ok(changed.rules().includes("H1"));
  const missing = consumedBoth();
  missing.stored.get("topic/t.v1/0")?.shift();
  assert.ok(missing.rules().includes("H1"));
  const moved = consumedBoth();
  moved.stored.set("c/0", moved.stored.get("a/0") ?? []);
  assert.deepEqual(moved.rules().slice(0, 1), ["H1"]);
});

test("time that goes back (H2)", () => {
  assert.deepEqual(
    new LedgerMaker()
      .turn("a/0", asked(), [], { at: 9 })
      .turn("a/0", asked("control/x:2:0"), [], { at: 8 })
      .rules(),
    ["H2"],
  );
});

test("an event nobody published, a changed one, a doubled one, one out of order, a lost one (H3)", () => {
  assert.deepEqual(new LedgerMaker().event(["a/0", 1, 0], 1).rules(), ["H3"]);
  assert.deepEqual(
    new LedgerMaker()
      .turn("a/0", asked(), [publish(1)])
      .event(["a/0", 1, 0], 2)
      .rules(),
    ["H3"],
  );
  assert.deepEqual(published().event(["a/0", 1, 1], 2).rules(), ["H3"]);
  const swapped = new LedgerMaker().turn("a/0", asked(), [publish(1), publish(2)]);
  assert.deepEqual(swapped.event(["a/0", 1, 1], 2).event(["a/0", 1, 0], 1).rules(), ["H3"]);
  const lost = new LedgerMaker().turn("a/0", asked(), [publish(1), publish(2)]).event(["a/0", 1, 0], 1);
  assert.deepEqual(lost.turn("b/0", consumed(lost, 1)).rules(QUIET), ["H3"]);
  assert.deepEqual(lost.rules(), [], "while it may still come");
});

test("an event consumed twice, out of order, in another form, or never (H4)", () => {
  const twice = consumedBoth();
  assert.deepEqual(twice.turn("b/0", consumed(twice, 2)).rules(QUIET), ["H4"]);
  const swapped = published();
  assert.deepEqual(swapped.turn("b/0", consumed(swapped, 2)).turn("b/0", consumed(swapped, 1)).rules(), [
    "H4",
    "H4",
  ]);
  const other = published();
  const input = { ...consumed(other, 1), hash: "00" };
  assert.deepEqual(other.turn("b/0", input).rules(), ["H4"]);
  const never = published();
  assert.deepEqual(never.turn("b/0", consumed(never, 1)).rules(QUIET), ["H4"]);
  const ghost = published();
  assert.deepEqual(ghost.turn("b/0", { from: "topic", shard: "topic/t.v1/0", seq: 9, hash: "" }).rules(), [
    "H4",
    "H4",
  ]);
});

const call: Effect = {
  do: "call",
  tag: "",
  capability: "c",
  method: "m",
  input: 5,
  context: null,
  timeoutMs: 1,
};
const callDelivery: Delivery = {
  kind: "call",
  callId: "a/0:1:0",
  capability: "c",
  method: "m",
  input: 5,
  caller: "a",
  deadlineAt: 2,
};
const answer: Answer = { ok: true, value: 6 };
const answerDelivery: Delivery = { kind: "answer", callId: "a/0:1:0", tag: "", context: null, answer };

/** `a` calls `b`, which answers. */
function called(): LedgerMaker {
  return new LedgerMaker()
    .turn("a/0", asked(), [call])
    .turn("b/0", received(["a/0", 1, 0], callDelivery), [{ do: "answer", callId: "a/0:1:0", answer }]);
}

test("what a shard received was asked for, as it was asked for, and comes once (H5)", () => {
  const whole = called().turn("a/0", received(["b/0", 1, 0], answerDelivery));
  assert.deepEqual(whole.rules(QUIET), []);
  const twice = called().turn("b/0", received(["a/0", 1, 0], callDelivery));
  assert.deepEqual(twice.rules(), ["H5"]);
  assert.deepEqual(
    new LedgerMaker().turn("b/0", received(["a/0", 1, 0], callDelivery)).rules(),
    ["H5"],
    "released before it was durable",
  );
  const changed = new LedgerMaker().turn("a/0", asked(), [call]);
  assert.deepEqual(changed.turn("b/0", received(["a/0", 1, 0], { ...callDelivery, input: 9 })).rules(), [
    "H5",
  ]);
  const lied = called().turn(
    "a/0",
    received(["b/0", 1, 0], { ...answerDelivery, answer: { ok: true, value: 7 } }),
  );
  assert.deepEqual(lied.rules(), ["H5"]);
});

test("a call ends once, and what ends was asked (H6)", () => {
  const ended = (): LedgerMaker => called().turn("a/0", received(["b/0", 1, 0], answerDelivery));
  const late: Delivery = { ...answerDelivery, answer: { ok: false, code: "CALL_TIMEOUT", message: "" } };
  assert.deepEqual(ended().turn("a/0", { from: "kernel", depth: 0, delivery: late }).rules(), ["H6"]);
  assert.deepEqual(called().rules(QUIET), ["H6"], "never ended");
  const stranger: Delivery = { ...late, callId: "a/0:7:0" };
  assert.deepEqual(new LedgerMaker().turn("a/0", { from: "kernel", depth: 0, delivery: stranger }).rules(), [
    "H6",
  ]);
});

test("a timer rings when it was set, not early, once, and not never (H7)", () => {
  const rings = (dueAt: number): Delivery => ({ kind: "timer", id: "x", dueAt, payload: null });
  const arm: Effect = { do: "setTimer", id: "x", at: 50, payload: null };
  const armed = (): LedgerMaker => new LedgerMaker().turn("a/0", asked(), [arm]);
  const ring = { from: "timer", delivery: rings(50) } as const;
  assert.deepEqual(armed().turn("a/0", ring, [], { at: 50 }).rules(QUIET), []);
  assert.deepEqual(armed().turn("a/0", ring, [], { at: 49 }).rules(), ["H7"]);
  assert.deepEqual(armed().turn("a/0", ring, [], { at: 50 }).turn("a/0", ring, [], { at: 51 }).rules(), [
    "H7",
  ]);
  assert.deepEqual(armed().rules(QUIET), ["H7"]);
  const cancelled = armed().turn("a/0", asked("control/x:2:0"), [{ do: "cancelTimer", id: "x" }]);
  assert.deepEqual(cancelled.turn("a/0", ring, [], { at: 50 }).rules(QUIET), ["H7"]);
});

test("a failed turn that keeps an effect (H10), a count that jumps (H11)", () => {
  const failed = { outcome: { failed: "TURN_DEADLINE", message: "" } };
  const write = (value: number): Effect => ({ do: "write", key: "n/k", value });
  assert.deepEqual(new LedgerMaker().turn("a/0", asked(), [write(1)], failed).rules(), ["H10"]);
  const letter: Effect = { do: "publish", topic: "vnes.deadletter.v1", key: "t.v1", event: {} };
  const poisoned = published();
  poisoned.turn("b/0", consumed(poisoned, 1), [letter], failed);
  assert.deepEqual(poisoned.rules(), []);
  assert.deepEqual(new LedgerMaker().turn("a/0", asked(), [letter], failed).rules(), ["H10"]);
  assert.deepEqual(
    new LedgerMaker()
      .turn("a/0", asked(), [write(1)])
      .turn("a/0", asked("control/x:2:0"), [write(2)])
      .rules(),
    [],
  );
  assert.deepEqual(
    new LedgerMaker()
      .turn("a/0", asked(), [write(1)])
      .turn("a/0", asked("control/x:2:0"), [write(3)])
      .rules(),
    ["H11"],
  );
});

test("what a read told was so, a compare-and-set found what it expected, a key goes in its time (H12)", () => {
  const read: Effect = {
    do: "read",
    tag: "",
    capsule: "b",
    keys: ["k", "none"],
    context: null,
    timeoutMs: 1,
  };
  const write = (value: number, more: object = {}): Effect => ({ do: "write", key: "k", value, ...more });
  const told = (value: number, seq: number, version = 1): TurnInput => {
    const found = { shard: "b/0", seq, at: 1, values: [["k", value, version]], next: null };
    const delivery: Delivery = { ...answerDelivery, answer: { ok: true, value: found as unknown as Json } };
    return { from: "kernel", depth: 0, delivery };
  };
  const kept = (): LedgerMaker =>
    new LedgerMaker()
      .turn("b/0", asked(), [write(5)])
      .turn("b/0", asked("control/x:2:0"), [write(6)])
      .turn("a/0", asked(), [read]);
  assert.deepEqual(kept().turn("a/0", told(5, 1)).rules(QUIET), []);
  assert.deepEqual(
    kept()
      .turn("a/0", told(6, 2, 2))
      .rules(QUIET),
    [],
  );
  assert.deepEqual(kept().turn("a/0", told(5, 2)).rules(), ["H12"], "what it was before");
  assert.deepEqual(
    kept()
      .turn("a/0", told(6, 2, 1))
      .rules(),
    ["H12"],
    "another version",
  );
  assert.deepEqual(
    kept()
      .turn("a/0", told(7, 3, 3))
      .rules(),
    ["H12"],
    "what never became durable",
  );
  assert.deepEqual(kept().rules(QUIET), ["H6"], "a read that never ended");

  const set = (expect: number | null): LedgerMaker =>
    new LedgerMaker()
      .turn("b/0", asked(), [write(1)])
      .turn("b/0", asked("control/x:2:0"), [write(2, { expect })]);
  assert.deepEqual(set(1).rules(), []);
  assert.deepEqual(set(null).rules(), ["H12"]);

  const goes = (version: number, dueAt: number): TurnInput => {
    return { from: "timer", delivery: { kind: "expiry", key: "k", version, dueAt } };
  };
  const living = (): LedgerMaker => new LedgerMaker().turn("b/0", asked(), [write(1, { ttlMs: 49 })]);
  assert.deepEqual(living().turn("b/0", goes(1, 50), [], { at: 50 }).rules(QUIET), []);
  assert.deepEqual(living().rules(QUIET), ["H12"], "never went");
  assert.deepEqual(living().turn("b/0", goes(1, 50), [], { at: 49 }).rules(), ["H12"], "early");
  const again = living().turn("b/0", asked("control/x:2:0"), [write(2)]);
  assert.deepEqual(
    again.turn("b/0", goes(1, 50), [], { at: 50 }).rules(),
    ["H12"],
    "written again meanwhile",
  );
});

test("an unkept event was published, comes once or never, in its publisher's order and to the shard of its key (H13)", () => {
  const told = (): LedgerMaker =>
    new LedgerMaker()
      .turn("a/0", asked(), [flash(1), flash(2)])
      .turn("a/0", asked("control/x:2:0"), [flash(3)])
      .turn("c/0", asked("control/x:3:0"), [flash(4), flash(5, "l")]);
  assert.deepEqual(told().rules(QUIET), [], "none was taken");
  const all = told()
    .turn("b/0", took([5], "l", 1))
    .turn("b/0", took([4]))
    .turn("b/0", took([1, 3]))
    .turn("d/0", took([2]))
    .turn("d/0", took([3]))
    .turn("d/0", took([4]));
  assert.deepEqual(
    all.rules(QUIET),
    [],
    "each subscriber some, in any order of two publishers or partitions",
  );
  assert.deepEqual(all.turn("b/0", took([3])).rules(), ["H13"], "again");
  assert.deepEqual(
    told()
      .turn("b/0", took([1, 1]))
      .rules(),
    ["H13"],
    "again in one batch",
  );
  assert.deepEqual(
    told()
      .turn("b/0", took([2]))
      .turn("b/0", took([1]))
      .rules(),
    ["H13"],
    "one turn's, in another order",
  );
  assert.deepEqual(
    told()
      .turn("b/0", took([3, 2]))
      .rules(),
    ["H13"],
    "two turns', in another order",
  );
  assert.deepEqual(
    new LedgerMaker().turn("b/0", took([1])).rules(),
    ["H13"],
    "taken before it was published durably",
  );
  assert.deepEqual(
    told()
      .turn("b/0", took([6]))
      .rules(),
    ["H13"],
    "another event",
  );
  assert.deepEqual(
    told()
      .turn("b/0", took([1], "l", 1))
      .rules(),
    ["H13"],
    "another key",
  );
  assert.deepEqual(
    told()
      .turn("b/0", took([1], "k", 1))
      .rules(),
    ["H13"],
    "the other partition",
  );
  assert.deepEqual(
    told()
      .turn("d/1", took([1]))
      .rules(),
    ["H13"],
    "the other shard",
  );
  assert.deepEqual(
    told()
      .turn("e/0", took([1]))
      .rules(),
    ["H13"],
    "who did not subscribe",
  );
});

test("what was acknowledged is there, is what was told, was there in time, and happened once (H8)", () => {
  const ran = (): LedgerMaker =>
    new LedgerMaker().turn("a/0", asked("control/x:1:0", { id: 1 }), [
      { do: "answer", callId: "control/x:1:0", answer },
    ]);
  const told = (given: Answer, durable = 1): Operation => {
    const end = { at: 1, answer: given, durable: new Map([["a/0", durable]]) };
    return { client: "c", name: "c.m", input: { id: 1 }, invokedAt: 0, end };
  };
  const rules = (maker: LedgerMaker, operation: Operation): number =>
    checkAcknowledged(decodeLedger(maker.stored, nodeDigest).ledger, [operation]).length;
  assert.equal(rules(ran(), told(answer)), 0);
  assert.equal(rules(new LedgerMaker(), told(answer)), 1, "lost");
  assert.equal(rules(new LedgerMaker(), told({ ok: false, code: "X", message: "" })), 0);
  assert.equal(rules(ran(), told({ ok: true, value: 7 })), 1, "another answer");
  assert.equal(rules(ran(), told(answer, 0)), 1, "too early");
  assert.equal(rules(ran().turn("a/0", asked("control/x:2:0", { id: 1 })), told(answer)), 1, "twice");
});

test("a read tells nothing that was not durable (H8)", () => {
  const maker = new LedgerMaker().turn("a/0", asked(), [{ do: "write", key: "n/k", value: 1 }]);
  const { ledger } = decodeLedger(maker.stored, nodeDigest);
  const operation = (durable: number): Operation => {
    const end = { at: 1, answer, durable: new Map([["a/0", durable]]) };
    return { client: "c", name: "c.m", input: null, invokedAt: 0, end };
  };
  const check = (durable: number, value: unknown): number =>
    checkReads(ledger, [operation(durable)], () => ({ capsule: "a", key: "n/k", value })).length;
  assert.equal(check(1, 1), 0);
  assert.equal(check(0, null), 0);
  assert.equal(check(0, 1), 1);
  assert.equal(check(1, 2), 1);
});
