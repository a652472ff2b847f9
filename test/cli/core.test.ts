/** The four core capsules in a real node, as docs/core-capsules.md has a person use them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { JsonObject } from "@vnes/schemas";
import { type Booted, Home } from "./vnes.ts";

const home = new Home();
let node: Booted | undefined;
after(() => home[Symbol.asyncDispose]());

const CORE = ["vnes.core.consensus", "vnes.core.geometry", "vnes.core.observability", "vnes.core.routing"];

async function call(capability: string, method: string, input: unknown): Promise<JsonObject> {
  const { value } = await home.json<{ value: JsonObject }>("call", capability, method, JSON.stringify(input));
  return value;
}

test("a node that was told nothing runs the four core capsules, and none of them can be unloaded", async () => {
  node = await home.boot();
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
  const policy = { maxEstimateError: 1, geometryTimeoutMs: 1_000 };
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

interface Refused {
  readonly entry: string;
  readonly id: string | null;
  readonly imageHash: string;
  readonly reasons: readonly { readonly code: string }[];
}

interface PolicyFile {
  admission: { match: string }[];
}

test("what is in quarantine is voted on by its image, and a person lets it go by the decision, which is an event with its votes", async () => {
  const dir = join(home.dir, "gift");
  const ran = async (...args: string[]): Promise<void> => {
    const { code, err } = await home.run(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
  };
  await ran("capsule", "new", "acme.gift", "--dir", dir);
  await ran("capsule", "build", dir);
  await ran("capsule", "install", dir);
  await node?.kill("SIGTERM");
  // The policy of this node has no rule any more for what is not its own.
  const file = join(home.dir, "config", "policy.json");
  const policy = JSON.parse(readFileSync(file, "utf8")) as PolicyFile;
  const others = policy.admission.find(({ match }) => match === "*");
  assert.ok(others);
  policy.admission = policy.admission.filter((rule) => rule !== others);
  writeFileSync(file, JSON.stringify(policy));
  node = await home.boot("--unconfined-dev");
  const { entries } = await home.json<{ entries: readonly Refused[] }>("quarantine", "list");
  const gift = entries.find(({ id }) => id === "acme.gift");
  assert.ok(gift, JSON.stringify(entries));
  const { imageHash: subject, entry } = gift;

  const question = `release:${entry}`;
  const terms = {
    ...{ question, kind: "quarantine.release", subject, options: ["release", "keep"] },
    ...{ electorate: ["ada", "grace", "edsger"], quorum: 2, threshold: 2, deadlineMs: 86_400_000 },
  };
  await call("consensus", "ask", terms);
  const vote = async (voter: string, option: string): Promise<void> => {
    const text = JSON.stringify({ question, voter, option });
    await home.json("topic", "publish", "consensus.vote.v1", text, "--key", question);
  };
  await vote("ada", "release");
  await vote("mallory", "release");
  await vote("ada", "keep");
  assert.equal((await call("consensus", "question", { question }))["outcome"], null);
  await vote("grace", "release");
  let decided: JsonObject = {};
  for (let tries = 0; tries < 50 && decided["outcome"] !== "decided"; tries++)
    decided = await call("consensus", "question", { question });
  assert.deepEqual(
    [decided["outcome"], decided["option"], decided["subject"]],
    ["decided", "release", subject],
  );
  assert.deepEqual(decided["rejected"], { CONSENSUS_VOTE_FOREIGN: 1, CONSENSUS_VOTE_CHANGED: 1 });
  const tail = await home.run("topic", "tail", "consensus.decided.v1", "--from", "1");
  assert.match(tail.out, /"outcome":"decided"/);
  const malformed = await home.run("topic", "publish", "consensus.vote.v1", '{"question":"q"}');
  assert.notEqual(malformed.code, 0);

  // A decision releases nothing by itself: the person it was for gives the capsule a rule, and boots.
  await node.kill("SIGTERM");
  policy.admission.push({ ...others, match: "acme.gift" });
  writeFileSync(file, JSON.stringify(policy));
  node = await home.boot("--unconfined-dev");
  const { capsules } = await home.json<{ capsules: { id: string; state: string; imageHash: string }[] }>(
    "capsule",
    "list",
  );
  const active = capsules.find(({ id }) => id === "acme.gift");
  assert.deepEqual([active?.state, active?.imageHash], ["active", subject]);
  // What was decided is still known, with its votes.
  const after = await call("consensus", "question", { question });
  assert.deepEqual(
    (after["votes"] as JsonObject[]).map(({ voter, option }) => [voter, option]),
    [
      ["ada", "release"],
      ["grace", "release"],
    ],
  );
  await ran("quarantine", "delete", entry);
});
