/**
 * `npm run crash -- --kills N [--bus embedded|nats|nats-cluster] [--mutant NAME|all|none] [--seed S] [--keep]`: does what
 * was acknowledged survive, once?
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommandLine } from "../command-line.ts";
import { BUSES, ledgerPlace } from "./ledger-place.ts";
import { MUTANTS } from "./mutants.ts";
import { ensureStrace } from "./power-cut/recorder.ts";
import { type CrashReport, forget, runCrash } from "./run.ts";

const known = MUTANTS.map(({ name }) => name);
const { values, usage } = readCommandLine(
  `npm run crash -- --kills N [--bus ${BUSES.join("|")}] [--mutant ${known.join("|")}|all|none] [--seed S] [--keep]`,
  {
    kills: { type: "string", default: "20" },
    mutant: { type: "string", default: "none" },
    seed: { type: "string" },
    bus: { type: "string", default: "embedded" },
    keep: { type: "boolean", default: false },
  },
);
const kills = Number(values.kills);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const wanted =
  values.mutant === "all" ? [undefined, ...known] : [values.mutant === "none" ? undefined : values.mutant];
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed))
  usage("--kills and --seed take whole numbers");
for (const name of wanted)
  if (name !== undefined && !known.includes(name)) usage(`no mutant is called ${name}`);
const bus = BUSES.find((name) => name === values.bus) ?? usage(`no bus is called ${values.bus}`);
if (bus === "embedded") ensureStrace();

const failed: string[] = [];
for (const mutant of wanted) {
  const directory = mkdtempSync(join(tmpdir(), "vnes-crash-"));
  const name = mutant ?? "the node as it is";
  console.log(`${name}: up to ${kills} kills, seed ${seed}, in ${directory}`);
  const say = (line: string): void => console.log(`  ${line}`);
  await using place = await ledgerPlace(bus);
  const report = await runCrash({
    kills,
    seed,
    directory,
    place,
    say,
    ...(mutant === undefined ? {} : { mutant }),
  });
  console.log(`  ${summary(report)}`);
  if (report.problem !== undefined) console.log(`  found: ${report.problem}`);
  const held = report.problem === undefined;
  if (report.neverRan) failed.push(`${name} did not run`);
  else if (mutant === undefined ? !held : held) failed.push(name);
  if (mutant === undefined && held && report.underLoad === 0) failed.push("no kill came under load");
  if (mutant !== undefined && !report.neverRan)
    console.log(held ? `  NOT noticed: ${mutant}` : `  noticed: ${mutant}`);
  if (!values.keep && (held || mutant !== undefined)) forget(directory);
}
const again = `npm run crash -- --kills ${kills} --bus ${bus} --mutant ${values.mutant} --seed ${seed}`;
console.log(
  failed.length === 0
    ? `crash: PASS, ${wanted.length} run${wanted.length === 1 ? "" : "s"} of up to ${kills} kills: nothing acknowledged was lost or doubled${wanted.length > 1 ? ", every mutant was noticed" : ""}`
    : `crash: FAIL: ${failed.join(", ")}; again: ${again}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

function summary(report: CrashReport): string {
  const { powerCuts, serverKills, underLoad, whileBooting, fewestInFlight, sent, acknowledged, lostChanges } =
    report;
  const fewest = Number.isFinite(fewestInFlight) ? `, at least ${fewestInFlight} in flight` : "";
  return `${report.kills} kills (${powerCuts} power cuts, which took back ${lostChanges} changes; ${serverKills} after a server's; ${underLoad} under load${fewest}; ${whileBooting} while booting); ${sent} calls sent, ${acknowledged} acknowledged`;
}
