/** The capsule: weights from data, geometry where it is needed, and a ranking in any case. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Answer, Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import { Ajv2020 } from "ajv/dist/2020.js";
import routing from "../src/main.ts";
import { DEFAULT_POLICY, parseConfig } from "../src/policy.ts";
import type { Place } from "../src/ranking.ts";

const ajv = new Ajv2020({ strict: false });
const { $defs } = JSON.parse(readFileSync(new URL("../spec/schema.json", import.meta.url), "utf8")) as {
  $defs: JsonObject;
};
const fitsInput = ajv.compile({ ...($defs["routing.rank.input"] as JsonObject), $defs });
const fitsOutput = ajv.compile({ ...($defs["routing.rank.output"] as JsonObject), $defs });

type Ranking = { places: Place[]; geometry: JsonObject; policy: JsonObject };

function open(config: Json = null): CapsuleHarness {
  routing.reset();
  const node = new CapsuleHarness(routing, { forgetful: true });
  assert.equal(node.start(config).kind, "done");
  return node;
}

/** `geometry`: how a call of it ends; undefined: it may not be asked. */
function rank(node: CapsuleHarness, input: JsonObject, geometry?: Answer): Ranking {
  assert.ok(fitsInput(input), ajv.errorsText(fitsInput.errors));
  const called = node.call("routing.rank", input);
  let { answer } = called;
  if (answer === undefined) {
    assert.ok(geometry, "geometry was asked");
    const [[callId] = [""]] = node.open;
    const result = node.answer(callId, geometry);
    assert.equal(result.kind, "done", JSON.stringify(result));
    for (const effect of result.kind === "done" ? result.effects : [])
      if (effect.do === "answer" && effect.callId === called.callId) answer = effect.answer;
  } else assert.equal(geometry, undefined, "geometry was not asked");
  assert.ok(answer?.ok, JSON.stringify(answer));
  assert.ok(fitsOutput(answer.value), ajv.errorsText(fitsOutput.errors));
  return answer.value as unknown as Ranking;
}

const ids = ({ places }: Ranking): readonly string[] => places.map(({ id }) => id);
const TWO = {
  from: "client",
  candidates: [
    { id: "lte", peer: "lte" },
    { id: "wifi", peer: "wifi" },
  ],
};
const estimates = (...list: Json[]): Answer => ({ ok: true, value: { model: "static", estimates: list } });

test("geometry decides between candidates nobody measured, and is asked once for all of them", () => {
  const node = open();
  const told = estimates({ to: "lte", rttMs: 90, error: 0 }, { to: "wifi", rttMs: 20, error: 0.1 });
  const ranking = rank(node, TWO, told);
  assert.deepEqual(ids(ranking), ["wifi", "lte"]);
  assert.deepEqual(ranking.places[0]?.decidedBy, {
    criterion: "latency",
    value: 20,
    against: "lte",
    next: 90,
    unit: "ms",
  });
  assert.deepEqual(ranking.geometry, { asked: true, model: "static", problem: null });
  assert.equal(node.open.size, 0);
});

test("without geometry, late or absent, it still ranks, and says so", () => {
  for (const code of ["CALL_TIMEOUT", "CALL_CAPABILITY_UNAVAILABLE"]) {
    const ranking = rank(open(), TWO, { ok: false, code, message: "" });
    assert.deepEqual(ids(ranking), ["lte", "wifi"]);
    assert.equal(ranking.places[0]?.decidedBy?.criterion, "id");
    assert.equal(ranking.places[0]?.latencyFrom, "assumed");
    assert.deepEqual(ranking.geometry, { asked: true, model: null, problem: code });
  }
});

test("geometry is not asked about what was measured, nor by one who does not say where it is", () => {
  const measured = rank(open(), {
    from: "client",
    candidates: [
      { id: "lte", peer: "lte", latencyMs: 40 },
      { id: "wifi", latencyMs: 30 },
    ],
  });
  assert.deepEqual(ids(measured), ["wifi", "lte"]);
  assert.deepEqual(measured.geometry, { asked: false, model: null, problem: null });
  assert.deepEqual(ids(rank(open(), { candidates: TWO.candidates })), ["lte", "wifi"]);
});

test("what is no estimate is not taken for one: unknown, too unsure, or nonsense from whoever provides geometry", () => {
  const answers: Answer[] = [
    estimates({ to: "wifi", rttMs: null, error: null }),
    estimates({ to: "wifi", rttMs: 20, error: 0.6 }),
    estimates({ to: "wifi", rttMs: -1, error: 0 }, 7, null, { to: "wifi" }),
    estimates({ to: "wifi", rttMs: 1e9, error: 0 }),
    { ok: true, value: "nonsense" },
  ];
  for (const answer of answers) {
    const ranking = rank(open(), TWO, answer);
    assert.deepEqual(ids(ranking), ["lte", "wifi"]);
    assert.ok(ranking.places.every(({ latencyFrom }) => latencyFrom === "assumed"));
  }
});

test("weights come from the configuration and, one by one, from the call", () => {
  const candidates = [
    { id: "fast", latencyMs: 10, lossPercent: 5 },
    { id: "slow", latencyMs: 100 },
  ];
  const node = open({ policy: { lossWeightMs: 10 } });
  assert.deepEqual(ids(rank(node, { candidates })), ["fast", "slow"]);
  assert.deepEqual(ids(rank(open(), { candidates })), ["slow", "fast"]);
  const asked = rank(node, { candidates, policy: { lossWeightMs: 30 } });
  assert.deepEqual([ids(asked), asked.policy], [["slow", "fast"], { ...DEFAULT_POLICY, lossWeightMs: 30 }]);
});

test("what is too much or not a candidate is refused at the door; one id twice, with its code", () => {
  const many = Array.from({ length: 65 }, (_, n) => ({ id: `c${n}` }));
  for (const input of [
    { candidates: [] },
    { candidates: many },
    { candidates: [{ id: "a", latencyMs: Number.NaN }] },
    { candidates: [{ id: "a", latencyMs: -1 }] },
    { candidates: [{ id: "a", lossPercent: 101 }] },
    { candidates: [{ id: "a", weight: 1 }] },
    { candidates: [{ id: "a" }], policy: { lossWeightMs: Number.POSITIVE_INFINITY } },
  ])
    assert.equal(fitsInput(input), false, JSON.stringify(input));
  const { answer } = open().call("routing.rank", { candidates: [{ id: "a" }, { id: "a" }] });
  assert.equal(answer?.ok === false && answer.code, "ROUTING_CANDIDATE_TWICE");
});

test("the policy's schema and its parser know the same weights and bounds", () => {
  const { properties } = $defs["policy"] as {
    properties: { [name: string]: { minimum: number; maximum: number } };
  };
  assert.deepEqual(Object.keys(properties).sort(), Object.keys(DEFAULT_POLICY).sort());
  for (const [name, { minimum, maximum }] of Object.entries(properties)) {
    parseConfig({ policy: { [name]: minimum } });
    parseConfig({ policy: { [name]: maximum } });
    for (const outside of [minimum - 1, maximum + 1, "1"])
      assert.throws(
        () => parseConfig({ policy: { [name]: outside } }),
        /ROUTING_CONFIG_INVALID at \/policy\//,
      );
  }
  assert.throws(() => parseConfig({ policy: { speed: 1 } }), /unknown field/);
});
