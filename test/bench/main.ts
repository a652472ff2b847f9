/**
 * `npm run bench [-- [--json] NAME...]`: runs every `*.bench.ts` beside this file, or those named; a table, a file, a verdict.
 * With `--json` the report goes to stdout and everything else to stderr.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem, type as system } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bench, type BenchResult, show } from "./result.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const JSON_FLAG = "--json";
const isJson = process.argv.includes(JSON_FLAG);
const wanted = process.argv.slice(2).filter((word) => word !== JSON_FLAG);
const say = isJson ? console.error : console.log;

const all = await loadBenches();
const unknown = wanted.filter((name) => !all.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(
    `no benchmark is called ${unknown.join(", ")}; there are: ${all.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
const benches =
  wanted.length === 0
    ? all.filter(({ isLong }) => isLong !== true)
    : all.filter(({ name }) => wanted.includes(name));

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  system: `${system()} ${release()} ${arch()}`,
  node: process.version,
  load: loadavg().map((load) => Number(load.toFixed(2))),
};
say(
  `${machine.cores} x ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}, Node ${machine.node}, load ${machine.load.join(" ")}\n`,
);

const report: {
  readonly bench: string;
  readonly results: readonly BenchResult[];
  readonly notMeasured: readonly string[];
}[] = [];
const broken: string[] = [];
for (const bench of benches) {
  try {
    const results = await bench.run();
    report.push({ bench: bench.name, results, notMeasured: bench.notMeasured ?? [] });
    print(bench, results);
  } catch (error) {
    broken.push(bench.name);
    say(`${bench.name}: failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  }
}

const figures = report.flatMap(({ results }) => results);
const targets = figures.filter(({ target }) => target !== undefined);
const missed = targets.filter(({ target }) => target?.pass === false);
const file = join(root, "bench-results", `${new Date().toISOString().replaceAll(":", "-")}.json`);
mkdirSync(join(root, "bench-results"), { recursive: true });
const whole = { version: 1, commit: commit(), at: new Date().toISOString(), machine, report, broken };
writeFileSync(file, `${JSON.stringify(whole, null, 2)}\n`);
if (isJson) console.log(JSON.stringify(whole, null, 2));
say(`written to ${file}`);

const held = figures.length > 0 && missed.length === 0 && broken.length === 0;
const counted = `${figures.length} figures, ${targets.length - missed.length} of ${targets.length} targets met`;
const faults = [...broken.map((name) => `${name} did not run`), ...missed.map(({ metric }) => metric)];
say(
  held
    ? `bench: PASS, ${counted}`
    : `bench: FAIL, ${counted}${faults.length > 0 ? `: ${faults.join(", ")}` : ": nothing ran"}`,
);
process.exitCode = held ? 0 : 1;

async function loadBenches(): Promise<Bench[]> {
  const files = readdirSync(here).filter((name) => name.endsWith(".bench.ts"));
  const found: Bench[] = [];
  for (const name of files.sort()) {
    const module = (await import(join(here, name))) as Partial<Bench>;
    if (module.name === undefined || module.run === undefined)
      throw new Error(`${name} exports no name or no run`);
    found.push(module as Bench);
  }
  return found;
}

function print({ name, notMeasured = [] }: Bench, results: readonly BenchResult[]): void {
  const rows = results.map((result) => [
    result.metric,
    `${show(result.value)} ${result.unit}`,
    result.peer === undefined ? "" : `${show(result.peer.value)} ${result.unit} (${result.peer.name})`,
    result.peer === undefined ? "" : `${show(result.value / result.peer.value)}x`,
    result.target === undefined
      ? "no target"
      : `${result.target.pass ? "pass" : "FAIL"}: ${result.target.text}`,
  ]);
  const table = [["", "measured", "beside", "ratio", "target"], ...rows];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length))) ?? [];
  say(name);
  for (const row of table)
    say(
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}`,
    );
  for (const line of notMeasured) say(`  not measured: ${line}`);
  say();
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
