import assert from "node:assert/strict";
import { test } from "node:test";
import type { TurnRequest, TurnResult } from "@vnes/schemas";
import fc from "fast-check";
import { copyRequests, copyResults } from "../src/turn-crossing.ts";

const awkward = fc.oneof(
  fc.anything({ withNullPrototype: true, withDate: true, withSparseArray: true }),
  fc.constantFrom(-0, Number.NaN, undefined, () => 1),
);
const call = fc.record(
  {
    kind: fc.constant("call"),
    callId: fc.string(),
    capability: fc.string(),
    method: fc.string(),
    input: awkward,
    caller: fc.string(),
    deadlineAt: fc.nat(),
    more: awkward,
  },
  { requiredKeys: ["kind", "callId", "capability", "method", "input", "caller", "deadlineAt"] },
);
const timer = fc.record({ kind: fc.constant("timer"), id: fc.string(), dueAt: fc.nat(), payload: awkward });
const request = fc.record(
  { turn: fc.nat(), at: fc.nat(), seed: fc.string(), delivery: fc.oneof(call, timer), keys: awkward },
  { requiredKeys: ["turn", "at", "seed", "delivery"] },
);
const answer = fc.oneof(
  fc.record({ ok: fc.constant(true), value: awkward, more: awkward }, { requiredKeys: ["ok", "value"] }),
  fc.record({ ok: fc.constant(false), code: fc.string(), message: fc.string() }),
);
const effect = fc.oneof(
  fc.record(
    { do: fc.constant("write"), key: fc.string(), value: awkward, ttlMs: fc.nat() },
    { requiredKeys: ["do", "key", "value"] },
  ),
  fc.record({ do: fc.constant("answer"), callId: fc.string(), answer }),
  fc.record({ do: fc.constant("publish"), topic: fc.string(), key: fc.string(), event: awkward }),
);
const result = fc.oneof(
  fc.record(
    { turn: fc.nat(), kind: fc.constant("done"), effects: fc.array(effect), logs: fc.array(awkward) },
    { requiredKeys: ["turn", "kind", "effects"] },
  ),
  fc.record({ turn: fc.nat(), kind: fc.constant("failed"), code: fc.string(), message: fc.string() }),
);

test("turns and results cross as they would through JSON, whatever they carry (T1)", () => {
  fc.assert(
    fc.property(fc.array(request), fc.array(result), (requests, results) => {
      const turns = copyRequests(requests as unknown as readonly TurnRequest[]);
      assert.deepEqual(turns, JSON.parse(JSON.stringify(requests)));
      const outcomes = copyResults(results as unknown as readonly TurnResult[]);
      assert.deepEqual(outcomes, JSON.parse(JSON.stringify(results)));
    }),
    { numRuns: 1_000 },
  );
});

test("what crosses with a turn shares nothing with what went in (T1)", () => {
  const input = { list: [1] };
  const delivery = {
    kind: "call",
    callId: "c",
    capability: "a",
    method: "b",
    input,
    caller: "control",
    deadlineAt: 1,
  } as const;
  const [copy] = copyRequests([{ turn: 1, at: 1, seed: "", delivery }]);
  const value = { deep: { member: 1 } };
  const effects = [
    { do: "write", key: "k", value },
    { do: "answer", callId: "c", answer: { ok: true, value } },
  ] as const;
  const [outcome] = copyResults([{ turn: 1, kind: "done", effects }]);
  input.list.push(2);
  value.deep.member = 2;
  assert.deepEqual(copy?.delivery, { ...delivery, input: { list: [1] } });
  const before = { deep: { member: 1 } };
  assert.deepEqual(outcome?.kind === "done" && outcome.effects, [
    { do: "write", key: "k", value: before },
    { do: "answer", callId: "c", answer: { ok: true, value: before } },
  ]);
});
