import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Delivery, Effect, Json, TurnRequest, TurnResult } from "@vnes/schemas";
import { Ajv2020 } from "ajv/dist/2020.js";

const schema = JSON.parse(readFileSync(new URL("../host-protocol.schema.json", import.meta.url), "utf8")) as {
  readonly $id: string;
};
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false });
ajv.addSchema(schema);
const fits = (part: "turnRequest" | "turnResult", value: unknown): boolean =>
  ajv.validate({ $ref: `${schema.$id}#/$defs/${part}` }, value);

/** One of each kind: a kind added to the types without one here does not compile. */
const deliveries: { readonly [K in Delivery["kind"]]: Extract<Delivery, { kind: K }> } = {
  start: { kind: "start", config: null, resumed: false },
  event: { kind: "event", topic: "vpn.session.v1", partition: 0, seq: null, key: "", event: {} },
  batch: { kind: "batch", topic: "a.v1", partition: 0, events: [{ seq: 1, key: "", event: {} }] },
  call: {
    kind: "call",
    callId: "c/1/0",
    capability: "a",
    method: "b",
    input: 1,
    caller: "control",
    deadlineAt: 5,
  },
  answer: {
    kind: "answer",
    callId: "c",
    tag: "t",
    context: null,
    answer: { ok: false, code: "X", message: "" },
  },
  timer: { kind: "timer", id: "t:1", dueAt: 1, payload: [] },
  expiry: { kind: "expiry", key: "k", version: 3, dueAt: 1 },
};
const effects: { readonly [K in Effect["do"]]: Extract<Effect, { do: K }> } = {
  write: { do: "write", key: "k", value: null },
  delete: { do: "delete", key: "k" },
  publish: { do: "publish", topic: "a.v1", key: "", event: 0 },
  call: { do: "call", tag: "t", capability: "a", method: "b", input: {}, context: {}, timeoutMs: 1 },
  read: { do: "read", tag: "t", capsule: "a.b", keys: ["k"], context: null, timeoutMs: 1 },
  answer: { do: "answer", callId: "c", answer: { ok: true, value: null } },
  setTimer: { do: "setTimer", id: "t", at: 1, payload: null },
  cancelTimer: { do: "cancelTimer", id: "t" },
};
const request = (delivery: Delivery): TurnRequest => ({ turn: 1, at: 2, seed: "00000000000000ff", delivery });

test("every delivery and effect of the types is one of the schema, and without any one field it is not", () => {
  const without = (value: object, field: string): Json =>
    Object.fromEntries(Object.entries(value).filter(([name]) => name !== field)) as Json;
  for (const delivery of Object.values(deliveries)) {
    assert.ok(fits("turnRequest", request(delivery)), delivery.kind);
    for (const field of Object.keys(delivery)) {
      const broken = { ...request(delivery), delivery: without(delivery, field) };
      assert.ok(!fits("turnRequest", broken), `${delivery.kind} without ${field}`);
    }
  }
  const done = (effect: unknown): unknown => ({ turn: 1, kind: "done", effects: [effect] });
  for (const effect of Object.values(effects)) {
    assert.ok(fits("turnResult", done(effect)), effect.do);
    for (const field of Object.keys(effect)) {
      assert.ok(!fits("turnResult", done(without(effect, field))), `${effect.do} without ${field}`);
    }
  }
});

test("keys that were asked for, and the other two ends of a turn", () => {
  const keys: TurnRequest = { ...request(deliveries.start), keys: [["a", 1], ["b"]], ranges: ["p/"] };
  const ends: readonly TurnResult[] = [
    { turn: 1, kind: "needKeys", keys: ["a"], ranges: [] },
    { turn: 1, kind: "failed", code: "TURN_DEADLINE", message: "" },
    { turn: 1, kind: "done", effects: [], logs: [{ level: "info", message: "", data: 1 }] },
  ];
  assert.ok(fits("turnRequest", keys));
  for (const end of ends) assert.ok(fits("turnResult", end), end.kind);
  assert.ok(!fits("turnRequest", { ...keys, keys: [["a", 1, "2"]] }));
  assert.ok(!fits("turnRequest", { ...keys, seed: "1" }));
  assert.ok(!fits("turnRequest", { ...keys, at: 1.5 }));
  assert.ok(!fits("turnResult", { ...ends[1], effects: [] }));
});

test("a write may say what it expects and how long it lasts; a key that is given may carry its version", () => {
  const write = { do: "write", key: "k", value: 1 };
  const done = (effect: object): unknown => ({ turn: 1, kind: "done", effects: [effect] });
  for (const more of [{ expect: 3 }, { expect: null }, { ttlMs: 1 }, { expect: 1, ttlMs: 5 }]) {
    assert.ok(fits("turnResult", done({ ...write, ...more })), JSON.stringify(more));
  }
  assert.ok(fits("turnResult", done({ do: "delete", key: "k", expect: 2 })));
  for (const more of [{ expect: 0 }, { expect: "3" }, { ttlMs: 0 }, { ttlMs: 1.5 }, { ttlMs: null }]) {
    assert.ok(!fits("turnResult", done({ ...write, ...more })), JSON.stringify(more));
  }
  assert.ok(!fits("turnResult", done({ do: "delete", key: "k", ttlMs: 2 })));
  const given = (...key: readonly Json[]): unknown => ({ ...request(deliveries.timer), keys: [key] });
  assert.ok(fits("turnRequest", given("k", 1, 7)));
  assert.ok(!fits("turnRequest", given("k", 1, 0)));
  assert.ok(!fits("turnRequest", given("k", 1, 7, 8)));
});
