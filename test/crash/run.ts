/**
 * One crash run: kill, restart on the same data, compare; again and again.
 *
 * R1. After every restart the round before is compared, and every round again at the end.
 * R2. A round that is not whole gets time to become so: effects under way are released again after a restart.
 * R3. Anything counted twice, never sent, or missing for good ends the run.
 * R4. In the end the whole ledger is checked: `history.ts`.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "@vnes/driver-memory";
import { Acknowledgements } from "./acknowledgements.ts";
import type { Control, Reply } from "./control.ts";
import { judgeRound, type RoundCounts } from "./counts.ts";
import { CRASH_NODE, CrashNode } from "./crash-node.ts";
import { checkHistory } from "./history.ts";
import { type Kill, planKills } from "./kill-plan.ts";
import { type LedgerPlace } from "./ledger-place.ts";
import { type Load, startLoad } from "./load.ts";

/** Calls of one round at most: enough for several snapshots in a run, few enough to compare every round again at the end. */
const ROUND_CALLS = 2_000;
/** For effects of the last round to arrive after a restart. */
const QUIET_TIMEOUT_MS = 20_000;
/** Fewer in flight at the kill make the round a weak one; it is counted apart. */
const MIN_IN_FLIGHT = 64;

export interface CrashReport {
  readonly kills: number;
  readonly powerCuts: number;
  /** Of the kills, those before which a server was killed. */
  readonly serverKills: number;
  /** Kills with at least 64 calls without an answer. */
  readonly underLoad: number;
  readonly whileBooting: number;
  readonly fewestInFlight: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Changes of files that power cuts took back. */
  readonly lostChanges: number;
  /** Undefined: everything held. */
  readonly problem: string | undefined;
  /** The run ended before its first kill: it says nothing about crashes. */
  readonly neverRan: boolean;
}

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  readonly directory: string;
  readonly mutant?: string;
  readonly place: LedgerPlace;
  say(line: string): void;
}

export async function runCrash(options: CrashOptions): Promise<CrashReport> {
  const { kills, seed, directory, mutant, place, say } = options;
  const random = new SeededRandom(seed);
  const node = new CrashNode(directory, mutant, place.flags);
  const tally = {
    kills: 0,
    powerCuts: 0,
    serverKills: 0,
    underLoad: 0,
    whileBooting: 0,
    fewestInFlight: Infinity,
    lostChanges: 0,
  };
  using record = new Acknowledgements(join(directory, "acknowledgements.log"));
  const rounds: string[] = [];
  let problem: string | undefined;
  try {
    node.prepare();
    for (const kill of planKills(kills, random, { hasServers: place.servers !== undefined })) {
      const round = `r${kill.number}`;
      const done = await killOnce(node, record, kill, rounds.at(-1), round);
      problem = done.problem;
      if (problem !== undefined) break;
      if (kill.way === "server" && place.servers !== undefined) {
        say(await place.servers.killOne(random));
        tally.serverKills++;
        problem = await goesOn(done.load, node);
        if (problem !== undefined) break;
      }
      const lost = await node.end(kill.lucky ? () => random.below(2) === 0 : () => false);
      tally.lostChanges += lost;
      const acknowledged = record.round(round).acknowledged.size;
      say(
        `${describe(kill)}: ${done.inFlight} in flight, ${acknowledged} acknowledged, ${lost} changes lost`,
      );
      tally.kills++;
      if (kill.way === "powerCut") tally.powerCuts++;
      if (done.inFlight >= MIN_IN_FLIGHT) tally.underLoad++;
      if (kill.moment.after === "boot") tally.whileBooting++;
      else tally.fewestInFlight = Math.min(tally.fewestInFlight, done.inFlight);
      if (kill.moment.after !== "boot") rounds.push(round);
    }
    problem ??= await compareAll(node, record, rounds);
    problem ??= await compareHistory(node, place, record, say);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  } finally {
    await node.end(() => false);
  }
  return { ...tally, ...record.totals, problem, neverRan: tally.kills === 0 };
}

async function killOnce(
  node: CrashNode,
  record: Acknowledgements,
  kill: Kill,
  before: string | undefined,
  round: string,
): Promise<{ readonly inFlight: number; readonly problem: string | undefined; readonly load?: Load }> {
  node.start(kill.way === "powerCut" ? "powerCut" : "kill");
  if (kill.moment.after === "boot") {
    await sleep(kill.moment.ms);
    return { inFlight: 0, problem: undefined };
  }
  const control = await node.ready();
  const problem = before === undefined ? undefined : await compareRound(control, record, before);
  if (problem !== undefined) return { inFlight: 0, problem };
  const load = startLoad(control, record, round, ROUND_CALLS);
  if (kill.moment.after === "acknowledgements") await load.acknowledgedAtLeast(kill.moment.count);
  else await sleep(kill.moment.ms);
  const { inFlight } = load;
  if (inFlight === 0) {
    const refused = JSON.stringify(Object.fromEntries(load.refused));
    return { inFlight, problem: `nothing was in flight at the kill; refused: ${refused}\n${node.logTail()}` };
  }
  return { inFlight, problem: undefined, load };
}

/** With its server back, the node must go on by itself. */
async function goesOn(load: Load | undefined, node: CrashNode): Promise<string | undefined> {
  if (load === undefined) return undefined;
  const before = load.acknowledged;
  const deadline = performance.now() + QUIET_TIMEOUT_MS;
  while (load.inFlight > 0 && load.acknowledged === before) {
    if (performance.now() > deadline)
      return `nothing was acknowledged for ${QUIET_TIMEOUT_MS} ms after the server came back\n${node.logTail()}`;
    await sleep(20);
  }
  return undefined;
}

async function compareAll(
  node: CrashNode,
  record: Acknowledgements,
  rounds: readonly string[],
): Promise<string | undefined> {
  node.start("kill");
  const control = await node.ready();
  for (const round of rounds) {
    const problem = await compareRound(control, record, round);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** R4: the ledger the last node left, record by record. */
async function compareHistory(
  node: CrashNode,
  place: LedgerPlace,
  record: Acknowledgements,
  say: (line: string) => void,
): Promise<string | undefined> {
  await node.end(() => false);
  await using ledger = await place.open(CRASH_NODE, node.dataDir);
  const { records, problems, trimmed } = await checkHistory(ledger.store, node.capsules, record.all());
  if (trimmed.length > 0) say(`history: NOT checked, records were dropped from ${trimmed.join(", ")}`);
  else say(`history: ${records} records checked, ${problems.length} problems`);
  return problems.length === 0 ? undefined : some(problems);
}

/** Waits until the round is whole. Returns what is wrong with it otherwise. */
export async function compareRound(
  control: Control,
  record: Acknowledgements,
  round: string,
): Promise<string | undefined> {
  const deadline = performance.now() + QUIET_TIMEOUT_MS;
  let last = "";
  do {
    const [tally, intake] = await Promise.all([
      control.call("crash.tally", "counts", { round }, QUIET_TIMEOUT_MS),
      control.call("crash.intake", "counts", { round }, QUIET_TIMEOUT_MS),
    ]);
    const counts = countsOf(tally, intake);
    if (typeof counts === "string") last = counts;
    else {
      const { wrong, missing } = judgeRound(record.round(round), counts);
      if (wrong.length > 0) return some(wrong);
      if (missing.length === 0) return undefined;
      last = some(missing);
    }
    await sleep(20);
    if (!control.isOpen) return `the node ended by itself while it was asked for round ${round}`;
  } while (performance.now() < deadline);
  return `${last} (after ${QUIET_TIMEOUT_MS} ms of waiting)`;
}

function countsOf(tally: Reply, intake: Reply): RoundCounts | string {
  if (!tally.ok) return `crash.tally does not answer: ${tally.code} ${tally.message}`;
  if (!intake.ok) return `crash.intake does not answer: ${intake.code} ${intake.message}`;
  return {
    ...(tally.value as Pick<RoundCounts, "topic" | "call">),
    ...(intake.value as Pick<RoundCounts, "own" | "noted">),
  };
}

function some(problems: readonly string[]): string {
  const shown = problems.slice(0, 3).join("; ");
  return problems.length > 3 ? `${shown}; and ${problems.length - 3} more` : shown;
}

function describe({ number, way, moment }: Kill): string {
  const when =
    moment.after === "acknowledgements"
      ? `at acknowledgement ${moment.count}`
      : moment.after === "boot"
        ? `${moment.ms} ms into the boot`
        : `${moment.ms} ms into the load`;
  const what = { powerCut: "power cut", kill: "kill -9", server: "kill -9 of a server, then of the node," }[
    way
  ];
  return `${number} ${what} ${when}`;
}

export function forget(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
