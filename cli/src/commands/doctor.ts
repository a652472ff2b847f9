/** `vnes doctor`: is everything here that a node needs? Each check that fails names what to do. It looks, and changes nothing. */
import { existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { isVnesError, shellWord } from "@vnes/schemas";
import type { Argv } from "yargs";
import { isLive } from "../control/socket-path.ts";
import { LOOK_TIMEOUT_MS, MAX_SOCKET_PATH_BYTES } from "../control/bounds.ts";
import { cliErrors } from "../errors.ts";
import { findJudges, openRegistry } from "../node/authority.ts";
import { table } from "../output/text.ts";
import type { StatusAnswer } from "./status.ts";
import { connectTo, findPlace, type GlobalFlags, type Place, type Shell } from "../shell.ts";

interface Finding {
  readonly check: string;
  readonly state: "ok" | "failed" | "note";
  readonly found: string;
  readonly next: string;
}

/** `boot`: what boots this node, with what was looked at. */
type Check = (
  place: Place,
  boot: string,
) => Promise<readonly [state: Finding["state"], found: string, next?: string]>;

const OLDEST_NODE_MAJOR = 24;
const MEBIBYTE = 1_048_576;
/** Room for a first boot, which leaves some 5 MiB behind: a ledger that cannot grow keeps every turn waiting. */
const LEAST_FREE_BYTES: number = 16 * MEBIBYTE;

const CHECKS: Readonly<Record<string, Check>> = {
  "node.js": async () => {
    const major = Number.parseInt(process.versions.node, 10);
    return major >= OLDEST_NODE_MAJOR
      ? ["ok", process.version]
      : ["failed", process.version, `install Node.js ${OLDEST_NODE_MAJOR} or newer`];
  },
  "isolated-vm": async () => {
    // Only looked for: loading it needs a flag that this process does not have.
    const load = createRequire(createRequire(import.meta.url).resolve("@vnes/driver-isolate"));
    const { version } = load("isolated-vm/package.json") as { readonly version: string };
    return ["ok", version];
  },
  confinement: async () => {
    const { openWalls } = await import("@vnes/driver-confine");
    const { lacks, keeps } = (await openWalls()).platform;
    const [lack] = lacks;
    // A node of system capsules runs without.
    if (lack !== undefined) return ["note", `${lack.part}: ${lack.found}`, lack.remedy];
    return [
      "ok",
      `namespaces; ${Object.entries(keeps)
        .map(([limit, keeper]) => `${limit} by ${keeper}`)
        .join(", ")}`,
    ];
  },
  python3: async () => {
    const { findPython, isUsable } = await import("@vnes/driver-process");
    const python = findPython();
    const next = "for capsules in Python: apt-get install python3";
    if (typeof python === "string") return ["note", `none: ${python}`, next];
    const found = `${python.version.join(".")}, ${python.file}`;
    return isUsable(python) ? ["ok", found] : ["note", found, "capsules in Python need 3.11 or newer"];
  },
  configuration: async ({ configFile, node }) => ["ok", configFile ?? `none; defaults, node ${node}`],
  authority: async (place) => {
    const judges = await findJudges(place);
    if (judges === null)
      return await toBeMade(
        place.home.configDir,
        `none yet: keys, trust.json and policy.json are made in ${place.home.configDir} at the first boot or build`,
      );
    const { authority, trust } = judges;
    return ["ok", `${trust.keys.length} keys trusted, version ${trust.version}, in ${authority.configDir}`];
  },
  registry: async (place) => {
    const installed = await (await openRegistry(place)).list();
    // What was replaced is kept for the records that name it, and is installed no more.
    const current = installed.filter(({ state }) => state === "current");
    return ["ok", `${current.length} capsules installed`];
  },
  "data directory": async ({ paths }) => {
    const there = existsSync(paths.dataDir);
    if (!there) return await toBeMade(paths.dataDir, `${paths.dataDir} is made at the first boot`);
    const { refusalToWrite } = await import("@vnes/registry");
    const refusal = refusalToWrite(paths.dataDir);
    if (refusal !== null) return unwritable(paths.dataDir, refusal);
    const open = (statSync(paths.dataDir).mode & 0o077) !== 0;
    return open
      ? ["failed", `${paths.dataDir} is open to other users`, `chmod 700 ${shellWord(paths.dataDir)}`]
      : ["ok", paths.dataDir];
  },
  disk: async ({ paths }) => {
    const { nearestThere } = await import("@vnes/registry");
    const dir = nearestThere(paths.dataDir);
    const { bavail, bsize } = statfsSync(dir);
    const free = bavail * bsize;
    const found = `${Math.floor(free / MEBIBYTE)} MiB free for ${dir}`;
    return free < LEAST_FREE_BYTES ? ["failed", found, "free space on that disk"] : ["ok", found];
  },
  "control socket": async ({ paths }, boot) => {
    const bytes = Buffer.byteLength(paths.controlSocket);
    if (bytes > MAX_SOCKET_PATH_BYTES) {
      return [
        "failed",
        `${bytes} bytes of at most ${MAX_SOCKET_PATH_BYTES}`,
        "vnes boot --data-dir <shorter dir>",
      ];
    }
    return (await isLive(paths.controlSocket))
      ? ["ok", paths.controlSocket]
      : ["note", `nobody at ${paths.controlSocket}`, boot];
  },
  node: async (place, boot) => {
    if (!(await isLive(place.paths.controlSocket))) return ["note", "not running", boot];
    using client = await connectTo(place);
    let status: StatusAnswer;
    try {
      status = (await client.request("status", {}, LOOK_TIMEOUT_MS)) as unknown as StatusAnswer;
    } catch (error) {
      if (isVnesError(error) && error.code === "CONTROL_TIMEOUT") return await silentNode(place);
      throw error;
    }
    const { state, problems, refused = [] } = status;
    if (state !== "running") return ["failed", `${state}, ${problems.length} problems`, "vnes status"];
    const [first] = refused;
    if (first === undefined) return ["ok", "running"];
    const kept = refused.map(({ id, code }) => `${id} for ${code}`).join(", ");
    return ["note", `running; in quarantine: ${kept}`, `vnes quarantine show ${first.entry}`];
  },
};

/** It took the connection, or the system did for it, and says nothing. */
async function silentNode({ paths }: Place): Promise<readonly [Finding["state"], string, string]> {
  const { lockHolder } = await import("@vnes/driver-sqlite");
  const silent = `no answer within ${LOOK_TIMEOUT_MS / 1000} s`;
  const pid = lockHolder(paths.ledger);
  // Its ledger is on a server, or the system has no table of locks.
  if (pid === undefined) return ["failed", silent, "look at its process: ps -C node -o pid,stat,time,args"];
  return isStopped(pid)
    ? ["failed", `${silent}: its process ${pid} is stopped`, `kill -CONT ${pid}`]
    : ["failed", `${silent}: its process ${pid} is busy`, `ps -o pid,stat,time,args -p ${pid}`];
}

/** By a signal or a debugger, as the system says. */
function isStopped(pid: number): boolean {
  try {
    return /^State:\s+[Tt]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function unwritable(dir: string, refusal: string): readonly [Finding["state"], string, string] {
  return ["failed", `${dir} cannot be written (${refusal})`, "vnes doctor --home <dir you may write to>"];
}

async function toBeMade(dir: string, note: string): Promise<readonly [Finding["state"], string, string?]> {
  const { refusalToWrite } = await import("@vnes/registry");
  const refusal = refusalToWrite(dir);
  return refusal === null ? ["note", note] : unwritable(dir, refusal);
}

export function addDoctor(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "doctor",
    "Check that everything a node needs is here",
    (args) =>
      args.option("bus", {
        type: "string",
        describe: "Look at these NATS servers instead of those of the configuration file",
        requiresArg: true,
      }),
    async (args) => {
      const place = await findPlace(shell, args);
      const ofBus = await examineBus(place, args.bus);
      const boot = bootCommand(args.bus, ofBus);
      const findings: Finding[] = [];
      for (const [check, run] of Object.entries(CHECKS))
        findings.push(await examine(check, run, place, boot));
      findings.push(...ofBus);
      const { output } = shell;
      const colours = { ok: "green", failed: "red", note: "yellow" } as const;
      const text = table(findings, [
        { title: "check", value: ({ check }) => check },
        {
          title: "state",
          value: ({ state }) => state,
          paint: ({ state }, cell) => output.paint(colours[state], cell),
        },
        { title: "found", value: ({ found }) => found },
        { title: "next", value: ({ next }) => output.next(next) },
      ]);
      output.data("vnes.doctor.v1", { findings }, text);
      const count = findings.filter(({ state }) => state === "failed").length;
      if (count > 0) throw cliErrors.create("DOCTOR_FOUND_PROBLEMS", { count, checks: findings.length });
    },
  );
}

/** Without the flag another ledger would be booted. Servers that are refused are not repeated: there may be a password in them. */
function bootCommand(servers: string | undefined, ofBus: readonly Finding[]): string {
  const isOk = ofBus.some(({ check, state }) => check === "bus" && state === "ok");
  return servers === undefined || !isOk ? "vnes boot" : `vnes boot --bus ${shellWord(servers)}`;
}

async function examineBus(place: Place, servers: string | undefined): Promise<readonly Finding[]> {
  const { busConfig } = await import("../node/open-ledger.ts");
  const bus = busConfig(place, servers);
  if (bus === undefined) return [];
  const { checkBus } = await import("../node/bus-check.ts");
  try {
    return await checkBus(bus, place.node);
  } catch (error) {
    if (!isVnesError(error)) throw error;
    return [{ check: "bus", state: "failed", found: `${error.code}: ${error.message}`, next: error.remedy }];
  }
}

async function examine(check: string, run: Check, place: Place, boot: string): Promise<Finding> {
  try {
    const [state, found, next = ""] = await run(place, boot);
    return { check, state, found, next };
  } catch (error) {
    if (isVnesError(error))
      return { check, state: "failed", found: `${error.code}: ${error.message}`, next: error.remedy };
    const next = `look at ${dirname(place.paths.dataDir)}`;
    return { check, state: "failed", found: error instanceof Error ? error.message : String(error), next };
  }
}
