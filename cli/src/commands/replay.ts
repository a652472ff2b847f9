/** `vnes replay`: runs what a capsule did again on its node, and shows the first turn that comes out otherwise. */
import { resolve } from "node:path";
import type { Difference, ReplayProgress } from "@vnes/kernel";
import type { JsonObject } from "@vnes/schemas";
import type { Argv } from "yargs";
import type { JobView } from "../control/jobs.ts";
import { cliErrors } from "../errors.ts";
import type { ReplayAnswer } from "../node/replay.ts";
import { fields, harmless, shortHash } from "../output/text.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

/** How long one look waits; between looks a terminal shows how far it is. */
const LOOK_MS = 1_000;
/** A value that is longer says by its first part which it is; `-o json` has all of it. */
const MAX_SHOWN = 400;

export function addReplay(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "replay <capsule>",
    "Run recorded turns again in the sandbox and compare what comes out",
    (args) =>
      args
        .positional("capsule", { type: "string", demandOption: true, describe: "Such as vnes.vpn.session" })
        .option("shard", { type: "number", default: 0, requiresArg: true, describe: "Which shard of it" })
        .option("from", { type: "number", requiresArg: true, describe: "First record; default 1" })
        .option("to", { type: "number", requiresArg: true, describe: "Last record; default the newest" })
        .option("against", {
          type: "string",
          requiresArg: true,
          describe: "Run this built capsule directory in place of the image that ran",
        }),
    async (args) => {
      const { capsule, shard, from, to, against } = args;
      const params: JsonObject = {
        capsule,
        shard,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(against === undefined ? {} : { against: resolve(against) }),
      };
      const answer = await withNode(shell, args, async (client) => {
        const { job } = (await client.request("replay", params)) as { readonly job: string };
        for (;;) {
          const view = (await client.request("replay.look", { job, wait_ms: LOOK_MS })) as unknown as JobView;
          if (view.done) return view.result as unknown as ReplayAnswer;
          showProgress(shell, view.progress as unknown as ReplayProgress | null);
        }
      });
      shell.output.data("vnes.replay.v1", answer, replayText(shell, answer));
      const { difference, diverged } = answer;
      if (difference === null) return;
      if (!diverged) return shell.fail("failed");
      const { seq, what, image } = difference;
      throw cliErrors.create("REPLAY_DIVERGED", { capsule, shard: answer.shard, seq, what, image });
    },
  );
}

function showProgress({ output, prettyLogs }: Shell, progress: ReplayProgress | null): void {
  if (!prettyLogs || progress === null) return;
  const { seq, to, turns } = progress;
  output.say(`${Math.floor((100 * seq) / to)} %  record ${seq} of ${to}, ${turns} turns run again`);
}

function replayText({ output }: Shell, answer: ReplayAnswer): string {
  const { shard, from, to, turns, taken, images, recordedHash, replayedHash, difference, tier } = answer;
  const rows: [string, string][] = [
    ["shard", shard],
    ["records", `${from} to ${to}`],
    [
      "turns",
      `${turns} run again${taken === 0 ? "" : `, ${taken} stopped by the machine and taken as recorded`}`,
    ],
    ["image", images.map(shortHash).join(", ") || "none ran"],
    ["tier", tier],
  ];
  const { against } = answer;
  if (against !== null) {
    const note = against.verified
      ? "verified"
      : `not admitted here (${against.codes.join(", ")}), run all the same`;
    rows.push(["against", `${against.origin}: ${note}`]);
  }
  if (difference === null) {
    rows.push(["outputs", `${output.paint("green", "equal")}, sha256 ${shortHash(recordedHash)}`]);
    return fields(rows);
  }
  rows.push(["outputs", `differ: ${shortHash(recordedHash)} recorded, ${shortHash(replayedHash)} now`]);
  return `${fields(rows)}\n\n${differenceText(output.paint("red", "first difference"), difference)}`;
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
