/** Votes: one each, of those named, in time; and one end with the votes as evidence. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import consensus from "../src/main.ts";
import { MAX_ENDED, MAX_OPEN } from "../src/store.ts";

const ajv = new Ajv2020({ strict: false, allowUnionTypes: true });
const read = (path: string): JsonObject =>
  JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")) as JsonObject;
const { $defs } = read("spec/schema.json") as { $defs: JsonObject };
const fits = Object.fromEntries(
  ["ask", "question", "list"].flatMap((method) =>
    ["input", "output"].map((side) => {
      const name = `consensus.${method}.${side}`;
      return [name, ajv.compile({ ...($defs[name] as JsonObject), $defs })];
    }),
  ),
);
const topic = (name: string): ValidateFunction => {
  const [schema] = read(`spec/topics/${name}.json`)["schemas"] as JsonObject[];
  return ajv.compile(schema as JsonObject);
};
const fitsDecided = topic("consensus.decided.v1");
const fitsVote = topic("consensus.vote.v1");

const RELEASE = {
  question: "release:7f3a",
  kind: "quarantine.release",
  subject: "sha256:7f3a",
  options: ["release", "keep"],
  electorate: ["ada", "grace", "edsger"],
  quorum: 2,
  threshold: 2,
  deadlineMs: 60_000,
};

class Room {
  readonly node: CapsuleHarness;
  readonly decided: JsonObject[] = [];
  #seq = 0;

  constructor() {
    consensus.reset();
    this.node = new CapsuleHarness(consensus, { forgetful: true });
    this.#take(this.node.start());
  }

  ask(terms: JsonObject = RELEASE): JsonObject {
    return this.call("ask", terms);
  }

  call(method: string, input: Json): JsonObject {
    assert.ok(fits[`consensus.${method}.input`]?.(input), `${method} ${JSON.stringify(input)}`);
    const { answer, result } = this.node.call(`consensus.${method}`, input, "control");
    this.#take(result);
    assert.ok(answer);
    if (!answer.ok) return { code: answer.code, message: answer.message };
    const validate = fits[`consensus.${method}.output`];
    assert.ok(validate?.(answer.value), ajv.errorsText(validate?.errors ?? null));
    return answer.value as JsonObject;
  }

  vote(voter: string, option: string, question: string = RELEASE.question): void {
    const event = { question, voter, option };
    assert.ok(fitsVote(event));
    const seq = ++this.#seq;
    const info = { topic: "consensus.vote.v1", key: question, partition: 0, seq };
    this.#take(this.node.deliver({ kind: "event", event, ...info }));
  }

  wait(ms: number): void {
    for (const result of this.node.advance(ms)) this.#take(result);
  }

  rejected(): Json {
    return this.call("list", {})["rejected"] as Json;
  }

  #take(result: ReturnType<CapsuleHarness["start"]>): void {
    assert.equal(result.kind, "done", JSON.stringify(result));
    for (const effect of result.kind === "done" ? result.effects : []) {
      if (effect.do !== "publish") continue;
      assert.equal(effect.topic, "consensus.decided.v1");
      assert.ok(fitsDecided(effect.event), ajv.errorsText(fitsDecided.errors));
      this.decided.push(effect.event as JsonObject);
    }
  }
}

test("a capsule leaves quarantine when two of three say so, and the decision carries its votes", () => {
  const room = new Room();
  assert.equal(room.ask()["outcome"], null);
  room.vote("ada", "release");
  assert.deepEqual(room.decided, []);
  room.vote("edsger", "keep");
  room.vote("grace", "release");
  assert.equal(room.decided.length, 1);
  const { at } = room.node;
  const { deadlineMs, ...question } = RELEASE;
  assert.deepEqual(room.decided[0], {
    ...question,
    askedBy: "control",
    askedAt: at,
    deadlineAt: at + deadlineMs,
    votes: [
      { voter: "ada", option: "release", seq: 1, at },
      { voter: "edsger", option: "keep", seq: 2, at },
      { voter: "grace", option: "release", seq: 3, at },
    ],
    tally: [
      { option: "release", votes: 2 },
      { option: "keep", votes: 1 },
    ],
    rejected: {},
    outcome: "decided",
    option: "release",
    endedAt: at,
  });
  assert.equal(room.node.timers.size, 0);
});

test("late, double, changed, foreign and unfit votes do not count, and each is counted by its code (VO1)", () => {
  const room = new Room();
  room.ask();
  room.vote("ada", "release");
  room.vote("ada", "release");
  room.vote("ada", "keep");
  room.vote("mallory", "release");
  room.vote("grace", "burn");
  room.vote("grace", "release", "nobody.asked");
  const before = {
    CONSENSUS_VOTE_DOUBLE: 1,
    CONSENSUS_VOTE_CHANGED: 1,
    CONSENSUS_VOTE_FOREIGN: 1,
    CONSENSUS_VOTE_OPTION_UNKNOWN: 1,
  };
  assert.deepEqual(room.rejected(), { ...before, CONSENSUS_QUESTION_UNKNOWN: 1 });
  room.vote("grace", "release");
  assert.deepEqual(room.decided[0]?.["rejected"], before);
  room.vote("edsger", "keep");
  assert.equal(room.decided.length, 1);
  assert.equal((room.rejected() as JsonObject)["CONSENSUS_VOTE_LATE"], 1);
  const { tally } = room.call("question", { question: RELEASE.question });
  assert.deepEqual(tally, [
    { option: "release", votes: 2 },
    { option: "keep", votes: 0 },
  ]);
  for (const malformed of [
    { question: "q", voter: "ada" },
    { question: "q", voter: "", option: "a" },
    { question: "q", voter: "a", option: ["a"] },
    { question: "q", voter: "a", option: "a", weight: 9 },
  ])
    assert.equal(fitsVote(malformed), false);
});

test("at its deadline an open question expires, and a vote that comes then finds it expired, timer or not (VO3)", () => {
  const expired = new Room();
  expired.ask();
  expired.vote("ada", "release");
  expired.wait(60_000);
  assert.deepEqual(
    expired.decided.map(({ outcome, option, votes }) => [outcome, option, (votes as Json[]).length]),
    [["expired", null, 1]],
  );

  const room = new Room();
  room.ask();
  room.vote("ada", "release");
  room.node.at += 60_000;
  room.vote("grace", "release");
  assert.deepEqual(
    room.decided.map(({ outcome }) => outcome),
    ["expired"],
  );
  assert.deepEqual(room.rejected(), { CONSENSUS_VOTE_LATE: 1 });
  room.wait(1);
  assert.equal(room.decided.length, 1);
});

test("a question no option can win any more ends at once; a quorum above the threshold is waited for", () => {
  const room = new Room();
  room.ask({ ...RELEASE, options: ["a", "b", "c"] });
  for (const [voter, option] of [
    ["ada", "a"],
    ["grace", "b"],
    ["edsger", "c"],
  ] as const)
    room.vote(voter, option);
  assert.deepEqual(
    room.decided.map(({ outcome, option }) => [outcome, option]),
    [["undecidable", null]],
  );
  const full = new Room();
  full.ask({ ...RELEASE, quorum: 3 });
  full.vote("ada", "keep");
  full.vote("grace", "keep");
  assert.equal(full.decided.length, 0);
  full.vote("edsger", "release");
  assert.deepEqual([full.decided[0]?.["outcome"], full.decided[0]?.["option"]], ["decided", "keep"]);
});

test("asked again in the same words it is the same question, in other words it is refused", () => {
  const room = new Room();
  const first = room.ask();
  room.wait(1_000);
  assert.deepEqual(room.ask(), first);
  assert.equal(room.ask({ ...RELEASE, threshold: 3 })["code"], "CONSENSUS_QUESTION_EXISTS");
  assert.equal(room.ask({ ...RELEASE, deadlineMs: 61_000 })["code"], "CONSENSUS_QUESTION_EXISTS");
  assert.equal(room.call("question", { question: "other" })["code"], "CONSENSUS_QUESTION_UNKNOWN");
});

test("a question two options could win, or none, or with a name twice, is not asked (VO2)", () => {
  const room = new Room();
  for (const [change, problem] of [
    [{ threshold: 1, quorum: 1 }, /more than half/],
    [{ electorate: ["ada", "grace", "edsger", "barbara"] }, /2 of 4 votes: more than half/],
    [{ threshold: 4 }, /threshold is 4/],
    [{ quorum: 4 }, /quorum is 4/],
    [{ options: ["a", "a"] }, /option is named twice/],
    [{ electorate: ["ada", "ada", "grace"] }, /voter is named twice/],
  ] as const) {
    const { code, message } = room.ask({ ...RELEASE, ...change } as JsonObject);
    assert.equal(code, "CONSENSUS_QUESTION_INVALID");
    assert.match(message as string, problem);
  }
  assert.equal(fits["consensus.ask.input"]?.({ ...RELEASE, options: ["a"] }), false);
  assert.equal(fits["consensus.ask.input"]?.({ ...RELEASE, deadlineMs: 1 }), false);
});

test("open questions and ended ones are bounded, and what is let go of is counted", () => {
  const room = new Room();
  const ask = (n: number): JsonObject =>
    room.ask({ ...RELEASE, question: `q${n}`, electorate: ["ada"], quorum: 1, threshold: 1 });
  for (let n = 0; n < MAX_OPEN; n++) ask(n);
  assert.equal(ask(MAX_OPEN)["code"], "CONSENSUS_QUESTIONS_FULL");
  for (let n = 0; n < MAX_OPEN; n++) {
    room.node.at += 1;
    room.vote("ada", "keep", `q${n}`);
  }
  for (let n = MAX_OPEN; n < MAX_OPEN + 10; n++) {
    room.node.at += 1;
    ask(n);
    room.vote("ada", "keep", `q${n}`);
  }
  const { counters, ended } = room.call("list", {}) as { counters: JsonObject; ended: JsonObject[] };
  assert.equal(ended.length, MAX_ENDED);
  assert.deepEqual(
    ["open", "ended", "asked", "decided", "evicted"].map((name) => counters[name]),
    [0, MAX_ENDED, MAX_OPEN + 10, MAX_OPEN + 10, 10],
  );
  assert.equal(room.call("question", { question: "q9" })["code"], "CONSENSUS_QUESTION_UNKNOWN");
  assert.equal(room.call("question", { question: "q10" })["outcome"], "decided");
});

test("whatever is voted in whatever order, a question ends once, by its own rules, and a winner has the votes (VO1, VO2, VO3)", () => {
  const electorate = ["a", "b", "c", "d", "e"];
  const vote = fc.tuple(
    fc.constantFrom(...electorate, "x"),
    fc.constantFrom("yes", "no", "odd"),
    fc.nat(400),
  );
  fc.assert(
    fc.property(
      fc.array(vote, { maxLength: 12 }),
      fc.integer({ min: 3, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      (votes, threshold, quorum) => {
        const room = new Room();
        const terms = {
          ...RELEASE,
          options: ["yes", "no"],
          electorate,
          threshold,
          quorum,
          deadlineMs: 1_000,
        };
        room.ask(terms);
        // A model that knows only the words of the rules.
        const first = new Map<string, string>();
        let ended: string | undefined;
        let at = 0;
        for (const [voter, option, wait] of votes) {
          room.wait(wait);
          at += wait;
          if (at >= 1_000) ended ??= "expired";
          room.vote(voter, option);
          if (ended !== undefined || voter === "x" || option === "odd" || first.has(voter)) continue;
          first.set(voter, option);
          const of = (one: string): number => [...first.values()].filter((given) => given === one).length;
          const most = Math.max(of("yes"), of("no"));
          if (most >= threshold && first.size >= quorum) ended = of("yes") > of("no") ? "yes" : "no";
          else if (most + electorate.length - first.size < threshold) ended = "undecidable";
        }
        room.wait(1_000);
        ended ??= "expired";
        assert.equal(room.decided.length, 1);
        const { outcome, option } = room.decided[0] as JsonObject;
        assert.equal(outcome === "decided" ? option : outcome, ended);
        const { votes: counted } = room.decided[0] as { votes: { voter: string; option: string }[] };
        assert.deepEqual(
          counted.map(({ voter, option: given }) => [voter, given]),
          [...first],
        );
      },
    ),
  );
});
