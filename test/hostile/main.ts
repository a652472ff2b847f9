/**
 * `npm run hostile [-- --only TEXT] [--zone ZONE] [--user root|ordinary]`: every attack, in every zone it can be tried in, beside a healthy
 * capsule, as whoever runs it; started by root, once more as an ordinary user. Ends with 0 when each ended in a named way, nothing
 * outside was read, written or reached, and the neighbour kept its service.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openWalls } from "@vnes/driver-confine";
import type { Confinement, Platform } from "@vnes/kernel";
import type { TrustZone } from "@vnes/schemas";
import type { Attack } from "./attack.ts";
import { ATTACKS } from "./attacks/all.ts";
import { readCommandLine } from "../command-line.ts";
import { kindsOf } from "./bad-input.ts";
import { confinementFor } from "../../kernel/contracts/confinement-for.ts";
import { Neighbour, pause, type Span } from "./neighbour.ts";
import { openOutside } from "./outside.ts";
import { ATTACK_MS, runAttack } from "./run-attack.ts";
import { openSandboxes } from "../../cli/src/node/sandboxes.ts";

const ZONES: readonly TrustZone[] = ["system", "tenant", "session", "ephemeral"];
/** For V8 to have compiled what a turn of the neighbour needs. */
const WARM_MS = 1_500;
/** Between two turns of the neighbour. */
const PING_MS = 0;
/** A span with fewer turns has no 99th of 100; an attack goes on until there are, and a neighbour that never gets so many is starved. */
const MIN_TURNS = 200;
/**
 * What an attack does to its neighbour it does every time; what the machine does at that moment it does not: two attempts at once, and two
 * when all other attacks on that neighbour are through. Each has twice the turns of the one before, calm and meanwhile, because the 99th of
 * 200 is the second worst.
 */
const ATTEMPTS_AT_ONCE = 2;
const MAX_ATTEMPTS = 4;
/** Less than a timer can tell: not looked at again. */
const UNSEEN_MS = 1;
/** A wake-up may wait for the slices of two others, 1.4 ms each on two cores: told, and no failure. */
const SLICES_MS = 3;
const NO_WALL =
  "they act on the machine, and it has no wall; they follow behind the one a policy can give it (confinement.system.wall)";
const NOBODY = "65534";
/** Of the table's columns. */
const WIDTHS = [52, 10, 13, 25, 9, 9, 4];

const { values, usage } = readCommandLine(
  "npm run hostile -- [--only TEXT] [--zone ZONE] [--user root|ordinary]",
  { only: { type: "string", default: "" }, zone: { type: "string" }, user: { type: "string" } },
);
if (values.zone !== undefined && !(ZONES as readonly string[]).includes(values.zone))
  usage(`there is no zone ${values.zone}`);
if (values.user !== undefined && !["root", "ordinary"].includes(values.user))
  usage("--user takes root or ordinary");
const attacks = ATTACKS.filter((attack) =>
  [`${attack.language} ${attack.name}`, ...kindsOf(attack)].some((text) => text.includes(values.only)),
);
if (attacks.length === 0) usage(`no attack has ${values.only} in its name`);
const zones = ZONES.filter((zone) => values.zone === undefined || zone === values.zone);
const isRoot = process.getuid?.() === 0;
let failures = 0;
if (!isRoot || values.user !== "ordinary") failures += await runAll(isRoot ? "root" : "an ordinary user");
if (isRoot && values.user !== "root") failures += asOrdinaryUser();
console.log(failures === 0 ? "hostile: PASS" : `hostile: FAIL, ${failures} problems`);
process.exitCode = failures === 0 ? 0 : 1;

async function runAll(who: string): Promise<number> {
  const walls = await openWalls();
  if (walls.platform.lacks.length > 0) {
    for (const { part, found, remedy } of walls.platform.lacks)
      console.log(`no walls as ${who}: ${part}: ${found}\nnext: ${remedy}`);
    return 1;
  }
  await using sandbox = openSandboxes(walls.wallOf);
  const outside = await openOutside();
  console.log(`as ${who}; p99 is of the turns of a neighbour in the same zone, calm: just before`);
  console.log(row(["attack", "language", "zone", "ended in", "calm", "p99", ""]));
  const seen: (readonly Attempt[])[] = [];
  let problems = 0;
  for (const { zone, called, confinement, tried, untried } of zones.flatMap((zone) =>
    placesIn(zone, walls.platform),
  )) {
    if (untried.length > 0)
      console.log(
        `not run here: in zone ${called}, ${untried.length} of ${attacks.length} attacks: ${NO_WALL}`,
      );
    if (tried.length === 0) continue;
    const neighbour = await Neighbour.open(sandbox, PING_MS, confinement);
    await pause(WARM_MS);
    const later: (() => Promise<void>)[] = [];
    for (const attack of tried) {
      const attempt = async (turns: number): Promise<Attempt> => {
        // Of each attempt its own, because a machine is not as quiet all the time.
        const calm = await neighbour.spanOf(turns);
        let during: Span = calm;
        const { end, problems: found } = await runAttack(attack, {
          ...{ sandbox, zone, confinement, outside },
          forMs: ATTACK_MS,
          begins: () => void neighbour.span(),
          isEnough: () => neighbour.turns >= turns,
          ends: () => {
            during = neighbour.span();
          },
        });
        return { end, found, calm, during };
      };
      const attempts = [await attempt(MIN_TURNS)];
      const goOn = async (most: number): Promise<void> => {
        while (attempts.length < most && isDoubled(attempts.at(-1) as Attempt))
          attempts.push(await attempt(MIN_TURNS * 2 ** attempts.length));
      };
      seen.push(attempts);
      const close = async (): Promise<void> => {
        await goOn(MAX_ATTEMPTS);
        problems += tell(attack, called, attempts);
      };
      await goOn(ATTEMPTS_AT_ONCE);
      if (isDoubled(attempts.at(-1) as Attempt)) later.push(close);
      else await close();
    }
    for (const close of later) await close();
    await neighbour.stop();
    for (const failed of new Set(neighbour.failed)) {
      problems += 1;
      console.log(`the neighbour's turn ended in ${failed}`);
    }
  }
  console.log(summary(seen));
  console.log(`tried, of what has to be: ${[...new Set(attacks.flatMap(kindsOf))].join(", ")}`);
  await outside.close();
  return problems;
}

interface Place {
  readonly zone: TrustZone;
  /** In the table. */
  readonly called: string;
  readonly confinement: Confinement;
  readonly tried: readonly Attack[];
  readonly untried: readonly Attack[];
}

/** A zone as a new node has it; zone system, which then has no wall, once more behind the one a policy can give it, for what is left. */
function placesIn(zone: TrustZone, platform: Platform): readonly Place[] {
  const confinement = confinementFor(zone, platform);
  if (confinement.wall !== "none") return [{ zone, called: zone, confinement, tried: attacks, untried: [] }];
  const untried = attacks.filter(({ needsWall }) => needsWall === true);
  const tried = attacks.filter(({ needsWall }) => needsWall !== true);
  const walled = confinementFor(zone, platform, { isWalled: true });
  return [
    { zone, called: zone, confinement, tried, untried },
    { zone, called: `${zone}, walled`, confinement: walled, tried: untried, untried: [] },
  ];
}

interface Attempt {
  readonly end: string;
  /** Empty: it ended in a named way, and nothing outside was touched. */
  readonly found: readonly string[];
  /** The neighbour just before, and meanwhile. */
  readonly calm: Span;
  readonly during: Span;
}

function isDoubled({ calm, during }: Attempt): boolean {
  return during.p99Ms > Math.max(2 * calm.p99Ms, UNSEEN_MS);
}

function isHarmful(attempt: Attempt): boolean {
  return isDoubled(attempt) && attempt.during.p99Ms > SLICES_MS;
}

/** All attempts have to end well; the last one says how the neighbour fared. */
function tell(attack: Attack, zone: string, attempts: readonly Attempt[]): number {
  const last = attempts.at(-1) as Attempt;
  const { calm, during } = last;
  const found = attempts.flatMap((attempt) => attempt.found);
  if (during.turns < MIN_TURNS) found.push(`the neighbour had ${during.turns} turns`);
  if (isHarmful(last)) found.push(`the neighbour's p99 more than doubled, in each of ${attempts.length}`);
  const [before, p99] = [calm, during].map((span) => `${span.p99Ms.toFixed(2)} ms`) as [string, string];
  const again = attempts.length === 1 ? "" : ` (attempt ${attempts.length})`;
  const verdict = found.length > 0 ? "FAIL" : isDoubled(last) ? "ok, doubled" : "ok";
  console.log(row([attack.name, attack.language, zone, last.end, before, p99, `${verdict}${again}`]));
  for (const problem of found) console.log(`    ${problem}`);
  return found.length;
}

/** How the neighbour fared over all rows, the harmless doublings and the first attempts too. */
function summary(seen: readonly (readonly Attempt[])[]): string {
  const all = seen.flat();
  const worst = Math.max(0, ...all.map(({ during }) => during.p99Ms));
  const doubled = seen.filter((attempts) => isDoubled(attempts.at(-1) as Attempt));
  return (
    `${seen.length} rows, ${all.length - seen.length} of them attempted again; the neighbour's p99 more than doubled in each attempt of ` +
    `${doubled.length}, and was ${worst.toFixed(2)} ms at most`
  );
}

function row(cells: readonly string[]): string {
  return cells.map((cell, index) => cell.slice(0, 60).padEnd(WIDTHS[index] ?? 0)).join("  ");
}

/** The same program, run by somebody with no rights. */
function asOrdinaryUser(): number {
  const home = mkdtempSync(join(tmpdir(), "vnes-nobody-"));
  spawnSync("chown", [NOBODY, home]);
  const args = [
    "--reuid",
    NOBODY,
    "--regid",
    NOBODY,
    "--clear-groups",
    process.execPath,
    ...process.execArgv,
  ];
  const own = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  try {
    const { status, error } = spawnSync("setpriv", [...args, ...own], {
      stdio: "inherit",
      cwd: "/",
      env: { ...process.env, HOME: home, TMPDIR: home },
    });
    if (error !== undefined) console.log(`as an ordinary user: ${error.message}`);
    return status === 0 ? 0 : 1;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
