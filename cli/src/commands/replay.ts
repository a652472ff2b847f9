/** `vnes replay`: runs what a capsule did again, on its node or from a file, and shows the first turn that comes out otherwise. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Difference, ReplayProgress } from "@vnes/kernel";
import { type JsonObject, shellWord } from "@vnes/schemas";
import type { Argv } from "yargs";
import type { JobView } from "../control/jobs.ts";
import { cliErrors } from "../errors.ts";
import type { ReplayAnswer } from "../node/replay.ts";
import { fields, harmless, shortHash } from "../output/text.ts";
import { checkReceipt, refusedReceipt } from "./receipt.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

/** How long one look waits; between looks a terminal shows how far it is. */
const LOOK_MS = 1_000;
/** A value that is longer says by its first part which it is; `-o json` has all of it. */
const MAX_SHOWN = 400;

export function addReplay(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "replay [capsule]",
    "Run recorded turns again in the sandbox and compare what comes out",
    (args) =>
      args
        .positional("capsule", { type: "string", describe: "Such as vnes.vpn.session" })
        .option("file", {
          type: "string",
          requiresArg: true,
          describe: "Run what vnes session export or receipt export --replayable wrote; needs no node",
        })
        .option("shard", { type: "number", requiresArg: true, describe: "Which shard of it; default 0" })
        .option("from", { type: "number", requiresArg: true, describe: "First record; default 1" })
        .option("to", { type: "number", requiresArg: true, describe: "Last record; default the newest" })
        .option("against", {
          type: "string",
          requiresArg: true,
          describe: "Run this built capsule directory in place of the image that ran",
        })
        .option("key", {
          type: "string",
          requiresArg: true,
          describe: "With --file: the node's public key in base64, as its owner told it",
        })
        .option("trust", {
          type: "string",
          requiresArg: true,
          describe: "With --file: trust document that has to vouch for the builds",
        })
        .option("unconfined-dev", {
          type: "boolean",
          default: false,
          describe: "With --file: run what is in it without a wall; for development only",
        }),
    async (args) => {
      const { capsule, file, shard, key, trust, unconfinedDev } = args;
      const wanted: Wanted = {
        from: args.from,
        to: args.to,
        against: args.against === undefined ? undefined : resolve(args.against),
      };
      if (file === undefined) {
        const isForFile = key !== undefined || trust !== undefined || unconfinedDev;
        if (capsule !== undefined && isFile(capsule)) throw namedFile(capsule);
        if (capsule === undefined || isForFile) throw usage("name a capsule, or a file with --file");
        return conclude(shell, await onNode(shell, args, capsule, shard ?? 0, wanted), undefined);
      }
      if (capsule !== undefined || shard !== undefined)
        throw usage("a file says itself which capsule and shard it is of");
      const path = resolve(file);
      const answer = await fromFile(shell, path, { ...wanted, key, trust, unconfinedDev });
      if (key === undefined) shell.output.say("whose key signed the file was not checked: --key PUB");
      conclude(shell, answer, path);
    },
  );
}

interface Wanted {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly against: string | undefined;
}

function usage(problem: string, next = "vnes replay --help"): Error {
  return cliErrors.create("CLI_USAGE", { problem, next });
}

function namedFile(file: string): Error {
  const next = `vnes replay --file ${shellWord(file)}`;
  return usage(`${file} is a file here, and no capsule of a node`, next);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

async function onNode(
  shell: Shell,
  flags: GlobalFlags,
  capsule: string,
  shard: number,
  { from, to, against }: Wanted,
): Promise<ReplayAnswer> {
  const params: JsonObject = {
    capsule,
    shard,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(against === undefined ? {} : { against }),
  };
  return await withNode(shell, flags, async (client) => {
    const { job } = (await client.request("replay", params)) as { readonly job: string };
    for (;;) {
      const view = (await client.request("replay.look", { job, wait_ms: LOOK_MS })) as unknown as JobView;
      if (view.done) return view.result as unknown as ReplayAnswer;
      showProgress(shell, view.progress as unknown as ReplayProgress | null);
    }
  });
}

/** Verifies the whole file first: nothing of one that was changed is run. */
async function fromFile(
  shell: Shell,
  file: string,
  options: Wanted & {
    readonly key: string | undefined;
    readonly trust: string | undefined;
    readonly unconfinedDev: boolean;
  },
): Promise<ReplayAnswer> {
  const verdict = await checkReceipt(file, options);
  if (!verdict.ok) throw await refusedReceipt(file, verdict.refusals);
  const { replayFile } = await import("../node/replay-file.ts");
  return await replayFile(verdict.receipt, {
    ...options,
    onProgress: (progress) => showProgress(shell, progress),
  });
}

function conclude(shell: Shell, answer: ReplayAnswer, file: string | undefined): void {
  const of = file === undefined ? {} : { file };
  shell.output.data("vnes.replay.v1", { ...of, ...answer }, replayText(shell, answer, file));
  const { difference, diverged, capsule, shard } = answer;
  if (difference === null) return;
  if (!diverged) return shell.fail("failed");
  const { seq, what, image } = difference;
  throw file === undefined
    ? cliErrors.create("REPLAY_DIVERGED", { capsule, shard, seq, what, image })
    : cliErrors.create("REPLAY_FILE_DIVERGED", { file, capsule, shard, seq, what });
}

function showProgress({ output, prettyLogs }: Shell, progress: ReplayProgress | null): void {
  if (!prettyLogs || progress === null) return;
  const { seq, to, turns } = progress;
  output.say(`${Math.floor((100 * seq) / to)} %  record ${seq} of ${to}, ${turns} turns run again`);
}

function replayText({ output }: Shell, answer: ReplayAnswer, file: string | undefined): string {
  const { shard, from, to, turns, taken, takenAs, images, recordedHash, replayedHash, difference, tier } =
    answer;
  const rows: [string, string][] = [
    ...(file === undefined ? [] : ([["file", `${file}, verified`]] as [string, string][])),
    ["shard", shard],
    ["records", `${from} to ${to}`],
    [
      "turns",
      turns + taken === 0 ? "none in these records" : `${turns} run again, ${taken} taken as recorded`,
    ],
    ...(taken === 0 ? [] : ([["taken", takenText(takenAs)]] as [string, string][])),
    ["image", images.map(shortHash).join(", ") || "none ran"],
    ["tier", tier],
  ];
  const { against } = answer;
  if (against !== null) {
    const refused = `not admitted here (${against.codes.join(", ")}), run all the same`;
    const unjudged = "nobody judged it, run all the same";
    const note = against.verified === null ? unjudged : against.verified ? "verified" : refused;
    rows.push(["against", `${against.origin}: ${note}`]);
  }
  if (difference === null) {
    const equal = `${output.paint("green", "equal")}, sha256 ${shortHash(recordedHash)}`;
    rows.push(["outputs", turns === 0 ? "none to compare: no turn was run again" : equal]);
    return fields(rows);
  }
  rows.push(["outputs", `differ: ${shortHash(recordedHash)} recorded, ${shortHash(replayedHash)} now`]);
  return `${fields(rows)}\n\n${differenceText(output.paint("red", "first difference"), difference)}`;
}

/** What ended those turns was no answer of the capsule, so there is nothing to compare. */
function takenText(takenAs: ReplayAnswer["takenAs"]): string {
  const codes = Object.entries(takenAs).map(([code, times]) => `${times} ${code}`);
  return `${codes.join(", ")}: ended by the kernel, not run`;
}

function differenceText(title: string, difference: Difference): string {
  const { seq, at, delivery, what, key, pointer, recorded, replayed } = difference;
  const shown = (value: unknown): string => {
    const text = JSON.stringify(value) ?? "nothing";
    return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)` : text;
  };
  return `${title}\n${fields([
    ["  turn", `record ${seq}, ${harmless(delivery)}, at ${new Date(at).toISOString()}`],
    ["  effect", what],
    ...(key === null ? [] : ([["  key", key]] as [string, string][])),
    ["  place", pointer],
    ["  recorded", shown(recorded)],
    ["  now", shown(replayed)],
  ])}`;
}
