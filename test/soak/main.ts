/** `npm run soak -- [--transitions N] [--clients N] [--seed S] [--minutes M]`: many transitions of the session store, each checked. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommandLine } from "../command-line.ts";
import { soakSessions } from "./session-soak.ts";

const { values, usage } = readCommandLine(
  "npm run soak -- [--transitions N] [--clients N] [--seed S] [--minutes M]",
  {
    transitions: { type: "string", default: "1000000" },
    clients: { type: "string", default: "2000" },
    seed: { type: "string" },
    minutes: { type: "string", default: "15" },
  },
);
const [transitions, clients, minutes] = [values.transitions, values.clients, values.minutes].map(Number) as [
  number,
  number,
  number,
];
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (![transitions, clients, minutes, seed].every((value) => Number.isInteger(value) && value >= 1))
  usage("all of them take whole numbers from 1");

const directory = mkdtempSync(join(tmpdir(), "vnes-soak-"));
console.log(
  `${transitions.toLocaleString("en")} transitions of sessions of ${clients} clients, seed ${seed}`,
);
try {
  const say = (line: string): void => console.log(`  ${line}`);
  const maxMs = minutes * 60_000;
  const report = await soakSessions({ transitions, clients, seed, maxMs, directory, say });
  console.log(
    `  ${report.transitions.toLocaleString("en")} transitions of ${report.sessions.toLocaleString("en")} sessions (${report.live} live), ${report.requests.toLocaleString("en")} requests, ${report.records.toLocaleString("en")} records verified, ${report.seconds.toFixed(0)} s, ${report.rssMb.toFixed(0)} MB`,
  );
  const isWhole = report.transitions >= transitions;
  console.log(
    isWhole
      ? "soak: PASS, no violation"
      : `soak: FAIL: ${minutes} minutes were not enough, no violation so far`,
  );
  process.exitCode = isWhole ? 0 : 1;
} catch (error) {
  console.log(`soak: FAIL: ${error instanceof Error ? error.message : String(error)}; again: --seed ${seed}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
