/** A few runs of the simulation, its determinism, and its table of mutants; `npm run sim` makes thousands. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { mutated } from "../../crash/substitution.ts";
import { againInRealm } from "../again.ts";
import { buildImages, openImages } from "../images.ts";
import { MUTANTS } from "../mutants.ts";
import { commandOf, readOptions } from "../options.ts";
import { Simulator } from "../run.ts";
import { tasksOf } from "../workers.ts";

const SEEDS = 40;
/** A boot that fails while capsules run: it opened hosts behind itself and never came to an end. */
const FOUND = [589];
const STEPS = 40;

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "vnes-sim-"));
  await buildImages(directory);
});
after(() => rm(directory, { recursive: true, force: true }));

test(`${SEEDS} runs under faults and crashes keep every rule of their history`, async () => {
  const built = await openImages(directory);
  const [simulator, again] = [new Simulator(built), againInRealm(built)];
  let lives = 0;
  for (const seed of [...Array.from({ length: SEEDS }, (_, index) => index + 1), ...FOUND]) {
    const run = await simulator.run(seed, STEPS, false);
    const problems = [...run.problems];
    for (const ledger of run.ledgers) problems.push(...(await again.run(ledger)).problems);
    assert.deepEqual(problems, [], `again: ${commandOf(seed, { steps: STEPS, mutant: "none" })}`);
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
  assert.deepEqual(
    [
      ["--vpn", "2000", "--isolates", "100"],
      ["--isolates", "--vpn"],
      ["--vpn", "--seed", "5", "--isolates"],
    ]
      .map((args) => readOptions(args))
      .map(({ from, seeds, isolates, vpn, show }) => [from, seeds, isolates, vpn, show]),
    [
      [4, 2000, 100, true, false],
      [4, 200, 200, true, false],
      [8, 1, 1, true, true],
    ],
  );
  for (const args of [
    ["--seeds", "no"],
    ["--vpn", "no"],
    ["--isolates", "0"],
  ])
    assert.throws(() => readOptions(args), /whole number/);
  assert.throws(() => readOptions(["--vpn", "3", "--seeds", "3"]), /one of them/);
  assert.equal(
    commandOf(5, readOptions(["--seeds", "9", "--steps", "80"])),
    "npm run sim -- --seed 5 --steps 80",
  );
  assert.equal(commandOf(5, { ...readOptions([]), isIsolated: true }), "npm run sim -- --seed 5 --isolates");
});

test("as many runs as asked for are again in isolates, and they lie all over the range", () => {
  const range = {
    ...readOptions(["--vpn", "2000", "--isolates", "100"]),
    directory,
    every: 4,
    mutant: undefined,
  };
  const tasks = [...tasksOf(range)];
  assert.equal(new Set(tasks.map(({ seed }) => seed)).size, 2000);
  const isolated = tasks.flatMap(({ isIsolated }, index) => (isIsolated ? [index] : []));
  assert.equal(isolated.length, 100);
  assert.ok(
    isolated.every((index, at) => Math.floor(index / 20) === at),
    "one of each twenty",
  );
});
