import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { LedgerMemory, MemoryLedgerStore, SeededRandom } from "@vnes/driver-memory";
import fc from "fast-check";
import { judgeRound } from "../counts.ts";
import { checkHistory } from "../history.ts";
import { planKills } from "../kill-plan.ts";
import { MUTANTS } from "../mutants.ts";
import { mutated } from "../substitution.ts";
import { asked, LedgerMaker } from "../../history/test/ledger-maker.ts";

test("every mutant changes the sources as they are now", () => {
  assert.equal(MUTANTS.length, 5);
  for (const mutant of MUTANTS) {
    const source = readFileSync(fileURLToPath(new URL(`../../../${mutant.file}`, import.meta.url)), "utf8");
    assert.notEqual(mutated(source, mutant), source, mutant.name);
  }
});

test("a mutant whose text is missing or stands twice is an error", () => {
  const mutant = { name: "m", breaks: "", file: "f", find: "x", replace: "y" };
  assert.equal(mutated("a x b", mutant), "a y b");
  assert.throws(() => mutated("a b", mutant), /stands 0 times/);
  assert.throws(() => mutated("x x", mutant), /stands 2 times/);
});

const whole = (ids: readonly string[]) => Object.fromEntries(ids.map((id) => [id, 1]));

test("a round is whole when what was acknowledged stands once on every path, and the rest once or never", () => {
  const facts = { sent: new Set(["r1-1", "r1-2", "r1-3"]), acknowledged: new Set(["r1-1"]) };
  const kept = whole(["r1-1", "r1-2"]);
  assert.deepEqual(judgeRound(facts, { own: kept, noted: kept, topic: kept, call: kept }), {
    wrong: [],
    missing: [],
  });
});

test("anything lost, doubled, half done or invented shows", () => {
  const facts = { sent: new Set(["r1-1", "r1-2"]), acknowledged: new Set(["r1-1"]) };
  const kept = whole(["r1-1"]);
  const good = { own: kept, noted: kept, topic: kept, call: kept };
  for (const path of ["own", "noted", "topic", "call"] as const) {
    const without = judgeRound(facts, { ...good, [path]: {} });
    assert.deepEqual([without.wrong.length, without.missing.length], [path === "own" ? 1 : 0, 1]);
    assert.equal(judgeRound(facts, { ...good, [path]: { "r1-1": 2 } }).wrong.length, 1);
    assert.equal(judgeRound(facts, { ...good, [path]: whole(["r1-1", "r1-9"]) }).wrong.length, 1);
    assert.equal(judgeRound(facts, { ...good, [path]: whole(["r1-1", "r1-2"]) }).missing.length, 1);
  }
});

test("the plan of a seed repeats, and every fifth kill is a power cut", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), (kills, seed) => {
      const plan = planKills(kills, new SeededRandom(seed));
      assert.deepEqual(plan, planKills(kills, new SeededRandom(seed)));
      assert.equal(plan.filter(({ way }) => way === "powerCut").length, Math.floor(kills / 5));
    }),
  );
});

test("the history of a run: what was acknowledged and is in no ledger, or ran twice, shows; a trimmed one is not judged", async () => {
  const shard = "crash.intake/0";
  const call = (n: number) => {
    const { delivery, ...input } = asked(`control/x:${n}:0`, { id: "r1-1" }) as { delivery: object };
    return { ...input, delivery: { ...delivery, capability: "crash.intake", method: "add" } } as never;
  };
  const answer = (n: number) =>
    ({ do: "answer", callId: `control/x:${n}:0`, answer: { ok: true, value: { id: "r1-1" } } }) as const;
  const check = async (maker: LedgerMaker, acknowledged: readonly string[]) => {
    const memory = new LedgerMemory();
    for (const [name, records] of maker.stored) memory.shards.set(name, records);
    await using store = new MemoryLedgerStore(memory);
    const sent = { sent: new Set(["r1-1"]), acknowledged: new Set(acknowledged) };
    return await checkHistory(store, [], sent);
  };
  const once = () => new LedgerMaker().turn(shard, call(1), [answer(1)]);
  assert.deepEqual(await check(once(), ["r1-1"]), { records: 1, problems: [], trimmed: [] });
  assert.match((await check(new LedgerMaker(), ["r1-1"])).problems.join(), /H8 .* lost/);
  assert.deepEqual((await check(new LedgerMaker(), [])).problems, []);
  assert.match(
    (await check(once().turn(shard, call(2), [answer(2)]), [])).problems.join(),
    /H8 .* ran 2 times/,
  );
  const trimmed = once().turn(shard, call(2), [answer(2)]);
  trimmed.stored.get(shard)?.shift();
  assert.deepEqual((await check(trimmed, ["r1-1"])).trimmed, [shard]);
});
