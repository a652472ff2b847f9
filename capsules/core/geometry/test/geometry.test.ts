/** The capsule: what it keeps, what it forgets, and two models behind one question. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import { Ajv2020 } from "ajv/dist/2020.js";
import geometry from "../src/main.ts";
import { MAX_PEERS } from "../src/store.ts";

const HOUR_MS = 3_600_000;
const read = (path: string): JsonObject =>
  JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")) as JsonObject;
const ajv = new Ajv2020({ strict: false });
const schema = read("spec/schema.json");

function open(config: Json = null): CapsuleHarness {
  geometry.reset();
  const node = new CapsuleHarness(geometry, { forgetful: true });
  const started = node.start(config);
  assert.equal(started.kind, "done", JSON.stringify(started));
  return node;
}

function say(node: CapsuleHarness, from: string, to: string, rttMs: number): void {
  const result = node.event("geometry.sample.v1", { from, to, rttMs }, from);
  assert.equal(result.kind, "done", JSON.stringify(result));
}

function ask(node: CapsuleHarness, method: string, input: Json): JsonObject {
  const { answer } = node.call(`geometry.${method}`, input);
  assert.ok(answer?.ok, JSON.stringify(answer));
  const fits = ajv.compile({
    ...((schema["$defs"] as JsonObject)[`geometry.${method}.output`] as JsonObject),
    $defs: schema["$defs"],
  });
  assert.ok(fits(answer.value), ajv.errorsText(fits.errors));
  return answer.value as JsonObject;
}

test("an estimate comes from measured round trips, with how far it is to be trusted; of a stranger there is none", () => {
  const node = open();
  for (let n = 0; n < 200; n++) say(node, "client", "wifi", 20);
  const { model, estimates } = ask(node, "estimate", { from: "client", to: ["wifi", "nobody"] }) as {
    model: string;
    estimates: { to: string; rttMs: number; error: number }[];
  };
  assert.equal(model, "vivaldi");
  assert.ok(Math.abs((estimates[0]?.rttMs ?? 0) - 20) < 0.5, JSON.stringify(estimates));
  assert.ok((estimates[0]?.error ?? 1) < 0.1);
  assert.deepEqual(estimates[1], { to: "nobody", rttMs: null, error: null });
});

test("replacing Vivaldi by a table changes the estimates behind the same question", () => {
  const table = [{ from: "client", to: "wifi", rttMs: 7 }];
  const [measured, told] = [open(), open({ model: "static", table })];
  for (const node of [measured, told]) for (let n = 0; n < 100; n++) say(node, "client", "wifi", 50);
  const of = (node: CapsuleHarness): Json => ask(node, "estimate", { from: "wifi", to: ["client"] });
  assert.deepEqual(of(told), { model: "static", estimates: [{ to: "client", rttMs: 7, error: 0 }] });
  assert.notDeepEqual(of(measured), of(told));
  const { counters } = ask(told, "coordinates", {}) as { counters: JsonObject };
  assert.deepEqual([counters["unused"], counters["peers"]], [100, 0]);
});

test("peers are bounded: a new one takes the place of the one heard of longest ago, and that is counted", () => {
  const node = open();
  for (let n = 0; n < MAX_PEERS + 10; n++) {
    node.at += 1;
    say(node, "client", `peer${n}`, 10);
  }
  const { counters } = ask(node, "coordinates", {}) as { counters: JsonObject };
  assert.deepEqual([counters["peers"], counters["evictedForRoom"]], [MAX_PEERS, 11]);
  const { estimates } = ask(node, "estimate", { from: "client", to: ["peer0", "peer1033"] }) as {
    estimates: { rttMs: number | null }[];
  };
  assert.equal(estimates[0]?.rttMs, null);
  assert.notEqual(estimates[1]?.rttMs, null);
});

test("a peer nobody measures any more is forgotten within twice the age, and a node without peers has no timer", () => {
  const node = open({ model: "vivaldi", maxAgeMs: HOUR_MS });
  assert.equal(node.timers.size, 0);
  say(node, "a", "b", 10);
  node.advance(HOUR_MS / 2);
  say(node, "a", "c", 10);
  node.advance(1.5 * HOUR_MS);
  const { peers, counters } = ask(node, "coordinates", {}) as {
    peers: { peer: string }[];
    counters: JsonObject;
  };
  assert.deepEqual([peers, counters["evictedForAge"]], [[], 3]);
  assert.equal(node.timers.size, 0);
});

test("the list of coordinates is read in pages, by name", () => {
  const node = open();
  for (const peer of ["d", "b", "c"]) say(node, "a", peer, 10);
  const first = ask(node, "coordinates", { limit: 3 }) as { peers: { peer: string }[]; next: string };
  assert.deepEqual(
    first.peers.map(({ peer }) => peer),
    ["a", "b", "c"],
  );
  const rest = ask(node, "coordinates", { after: first.next }) as { peers: { peer: string }[]; next: null };
  assert.deepEqual([rest.peers.map(({ peer }) => peer), rest.next], [["d"], null]);
});

test("the topic refuses what is no round trip, and a peer with itself is counted and left aside", () => {
  const [event] = read("spec/topics/geometry.sample.v1.json")["schemas"] as JsonObject[];
  const fits = ajv.compile(event as JsonObject);
  assert.ok(fits({ from: "a", to: "b", rttMs: 0.4 }));
  for (const rttMs of [-1, 0, 60_001, null, "20", Number.NaN, Number.POSITIVE_INFINITY])
    assert.equal(fits({ from: "a", to: "b", rttMs }), false, String(rttMs));
  assert.equal(fits({ from: "a b", to: "b", rttMs: 1 }), false);
  assert.equal(fits({ from: "a", to: "b", rttMs: 1, error: 0 }), false);
  const node = open();
  say(node, "a", "a", 10);
  const { counters } = ask(node, "coordinates", {}) as { counters: JsonObject };
  assert.deepEqual([counters["refused"], counters["peers"]], [1, 0]);
});

test("a configuration that is wrong is refused with the place", () => {
  const pair = { from: "a", to: "b", rttMs: 1 };
  for (const [config, place] of [
    [{ model: "euclid" }, "/model"],
    [{ maxAgeMs: 1 }, "/maxAgeMs"],
    [{ model: "static" }, "/table"],
    [{ model: "static", table: [{ ...pair, rttMs: -1 }] }, "/table/0/rttMs"],
    [{ model: "static", table: [pair, { from: "b", to: "a", rttMs: 2 }] }, "/table/1"],
    [{ table: [] }, "/table"],
  ] as const) {
    geometry.reset();
    const result = new CapsuleHarness(geometry).start(config as Json);
    assert.equal(result.kind, "failed");
    assert.match(JSON.stringify(result), new RegExp(`GEOMETRY_CONFIG_INVALID at ${place}:`));
  }
});
