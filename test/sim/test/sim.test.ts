/** A few runs of the simulation, its determinism, and its table of mutants; `npm run sim` makes thousands. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { mutated } from "../../crash/substitution.ts";
import { buildImages, openImages } from "../images.ts";
import { MUTANTS } from "../mutants.ts";
import { commandOf, readOptions } from "../options.ts";
import { Simulator } from "../run.ts";

const SEEDS = 40;
const STEPS = 40;

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "vnes-sim-"));
  await buildImages(directory);
});
after(() => rm(directory, { recursive: true, force: true }));

test(`${SEEDS} runs under faults and crashes keep every rule of their history`, async () => {
  const simulator = new Simulator(await openImages(directory));
  let lives = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = await simulator.run(seed, STEPS, false);
    assert.deepEqual(run.problems, [], `again: ${commandOf(seed, { steps: STEPS, mutant: "none" })}`);
    assert.ok(run.operations >= STEPS, `seed ${seed}: ${run.operations} operations`);
    lives += run.lives;
  }
  assert.ok(lives > 1.5 * SEEDS, `${lives} lives: nodes hardly died`);
});

test("a seed gives one history, in any process and after any other; two seeds give two", async () => {
  const [one, other] = [
    new Simulator(await openImages(directory)),
    new Simulator(await openImages(directory)),
  ];
  const first = await one.run(7, STEPS, false);
  await other.run(3, STEPS, false);
  assert.equal((await other.run(7, STEPS, false)).hash, first.hash);
  assert.notEqual((await one.run(8, STEPS, false)).hash, first.hash);
});

test("every mutant changes the sources as they are now", () => {
  for (const mutant of MUTANTS) {
    const source = readFileSync(fileURLToPath(new URL(`../../../${mutant.file}`, import.meta.url)), "utf8");
    assert.notEqual(mutated(source, mutant), source, mutant.name);
  }
});

test("the command line says what it takes, and a run says how to repeat it", () => {
  assert.deepEqual(
    [readOptions(["--seed", "5"]), readOptions(["--seeds", "9"])].map(({ from, seeds, show }) => [
      from,
      seeds,
      show,
    ]),
    [
      [5, 1, true],
      [1, 9, false],
    ],
  );
  assert.throws(() => readOptions(["--seeds", "no"]), /whole number/);
  assert.equal(
    commandOf(5, readOptions(["--seeds", "9", "--steps", "80"])),
    "npm run sim -- --seed 5 --steps 80",
  );
});
