/** The four core capsules in a real node, as docs/core-capsules.md has a person use them. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { JsonObject } from "@vnes/schemas";
import { Home } from "./vnes.ts";

const home = new Home();
after(() => home[Symbol.asyncDispose]());

const CORE = ["vnes.core.consensus", "vnes.core.geometry", "vnes.core.observability", "vnes.core.routing"];

async function call(capability: string, method: string, input: unknown): Promise<JsonObject> {
  const { value } = await home.json<{ value: JsonObject }>("call", capability, method, JSON.stringify(input));
  return value;
}

test("a node that was told nothing runs the four core capsules, and none of them can be unloaded", async () => {
  await home.boot();
  const { capsules } = await home.json<{ capsules: { id: string; state: string }[] }>("capsule", "list");
  const core = capsules.filter(({ id }) => id.startsWith("vnes.core."));
  assert.deepEqual(core.map(({ id }) => id).sort(), CORE);
  assert.ok(core.every(({ state }) => state === "active"));
  for (const id of CORE) assert.match((await home.run("capsule", "unload", id)).err, /CAPSULE_IN_USE/);
});

test("what is measured is estimated, and routing goes by it", async () => {
  for (let n = 0; n < 12; n++) {
    const sample = { from: "client", to: "wifi", rttMs: 12.5 };
    await home.json("topic", "publish", "geometry.sample.v1", JSON.stringify(sample));
  }
  const { estimates } = (await call("geometry", "estimate", { from: "client", to: ["wifi", "lte"] })) as {
    estimates: JsonObject[];
  };
  assert.ok(Number(estimates[0]?.["rttMs"]) > 0, JSON.stringify(estimates));
  assert.equal(estimates[1]?.["rttMs"], null);
  const candidates = [
    { id: "lte", peer: "lte" },
    { id: "wifi", peer: "wifi" },
  ];
  const policy = { maxEstimateError: 1 };
  const { places, geometry } = (await call("routing", "rank", { from: "client", candidates, policy })) as {
    places: { id: string; latencyFrom: string }[];
    geometry: JsonObject;
  };
  assert.deepEqual(
    places.map(({ id, latencyFrom }) => [id, latencyFrom]),
    [
      ["wifi", "geometry"],
      ["lte", "assumed"],
    ],
  );
  assert.deepEqual(geometry, { asked: true, model: "vivaldi", problem: null });
});

test("two of three decide, and the decision is an event with its votes", async () => {
  const question = "release:7f3a";
  await call("consensus", "ask", {
    question,
    kind: "quarantine.release",
    subject: "sha256:7f3a",
    options: ["release", "keep"],
    electorate: ["ada", "grace", "edsger"],
    quorum: 2,
    threshold: 2,
    deadlineMs: 86_400_000,
  });
  for (const voter of ["ada", "grace"]) {
    const vote = JSON.stringify({ question, voter, option: "release" });
    await home.json("topic", "publish", "consensus.vote.v1", vote, "--key", question);
  }
  let outcome: JsonObject = {};
  for (let tries = 0; tries < 50 && outcome["outcome"] !== "decided"; tries++)
    outcome = await call("consensus", "question", { question });
  assert.deepEqual([outcome["outcome"], outcome["option"]], ["decided", "release"]);
  const tail = await home.run("topic", "tail", "consensus.decided.v1", "--from", "1");
  assert.match(tail.out, /"outcome":"decided"/);
  const malformed = await home.run("topic", "publish", "consensus.vote.v1", '{"question":"q"}');
  assert.notEqual(malformed.code, 0);
});
