/** `vnes state branch`: what if. A branch of a capsule's state runs on its own, and nothing of it reaches the world. */
import type { BranchInfo, BranchInput, BranchRan, BranchTurn, StateDifference } from "@vnes/kernel";
import type { ControlMethod, Json, JsonObject } from "@vnes/schemas";
import type { Argv } from "yargs";
import type { OlderAnswer } from "../control/older-answer.ts";
import { cliErrors } from "../errors.ts";
import { branchTurnText } from "../output/branch-turn.ts";
import { fields, keyWord, shortHash, table } from "../output/text.ts";
import { differencesText } from "../output/values.ts";
import { parseJson } from "../parse-json.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";
import { ofShard, shardParams } from "./state.ts";

/** A hundred years, as the control schema has it. Checked here: an input is one of several shapes, and the schema names another. */
const MAX_ADVANCE_MS = 3_155_760_000_000;

type Add = (yargs: Argv<GlobalFlags>, shell: Shell) => Argv<GlobalFlags>;

export function addStateBranch(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  const commands: readonly Add[] = [
    addNew,
    addList,
    addShow,
    addCall,
    addEvent,
    addFeed,
    addAdvance,
    addDiff,
    addDiscard,
  ];
  return yargs.command(
    "branch",
    "Try things out on a copy of a capsule's state",
    (args) =>
      commands
        .reduce((so, add) => add(so, shell), args)
        .demandCommand(1, "Which command of vnes state branch?"),
    () => {},
  );
}

const addNew: Add = (yargs, shell) =>
  yargs.command(
    "new <capsule>",
    "Begin a branch after a record of a capsule",
    (args) =>
      ofShard(args)
        .option("from", {
          type: "number",
          requiresArg: true,
          describe: "Number of the record; default the newest",
        })
        .option("name", { type: "string", requiresArg: true, describe: "Default b1, b2, ..." }),
    async (args) => {
      const { from, name } = args;
      const params: JsonObject = {
        ...shardParams(args),
        ...(from === undefined ? {} : { from }),
        ...(name === undefined ? {} : { name }),
      };
      const branch = (await ask(shell, args, "branch.new", params)) as unknown as BranchInfo;
      shell.output.data("vnes.state.branch.new.v1", { branch }, infoText(branch));
    },
  );

const addList: Add = (yargs, shell) =>
  yargs.command(
    "list",
    "List the branches of a node",
    (args) => args,
    async (args) => {
      const branches = (await ask(shell, args, "branch.list", {})) as unknown as readonly BranchInfo[];
      const text = table(branches, [
        { title: "branch", value: ({ name }) => name },
        { title: "of", value: ({ parent }) => parent },
        { title: "from", value: ({ from }) => from, align: "right" },
        { title: "stands at", value: ({ seq }) => seq, align: "right" },
        { title: "turns", value: ({ turns }) => turns, align: "right" },
        { title: "made", value: ({ createdAt }) => new Date(createdAt).toISOString() },
      ]);
      shell.output.data(
        "vnes.state.branch.list.v1",
        { branches },
        branches.length === 0 ? "no branches" : text,
      );
    },
  );

const addShow: Add = (yargs, shell) =>
  yargs.command(
    "show <branch>",
    "Show what a branch ran, and what its turns asked for",
    (args) =>
      named(args).option("after", {
        type: "number",
        requiresArg: true,
        describe: "Only turns behind this record",
      }),
    async (args) => {
      const { branch: name, after } = args;
      const params = { branch: name, ...(after === undefined ? {} : { after }) };
      const shown = (await ask(shell, args, "branch.show", params)) as unknown as {
        readonly branch: BranchInfo;
        readonly turns: readonly BranchTurn[];
        readonly next: number | null;
      };
      if (shown.next !== null) shell.output.say(`there is more: the same with --after ${shown.next}`);
      shell.output.data(
        "vnes.state.branch.show.v1",
        shown,
        `${infoText(shown.branch)}${turnsText(shell, shown.turns)}`,
      );
    },
  );

const addCall: Add = (yargs, shell) =>
  yargs.command(
    "call <branch> <capability> <method> [input]",
    "Call a capability of the branch's capsule",
    (args) =>
      named(args)
        .positional("capability", { type: "string", demandOption: true })
        .positional("method", { type: "string", demandOption: true })
        .positional("input", { type: "string", default: "{}", describe: "JSON" }),
    async (args) => {
      const { branch, capability, method } = args;
      const input = parseJson(
        args.input,
        "The input",
        `vnes state branch call ${branch} ${capability} ${method} '{}'`,
      );
      await run(shell, args, branch, { do: "call", capability, method, input });
    },
  );

const addEvent: Add = (yargs, shell) =>
  yargs.command(
    "event <branch> <topic> <event>",
    "Give the branch an event of a topic its capsule subscribes to",
    (args) =>
      named(args)
        .positional("topic", { type: "string", demandOption: true })
        .positional("event", { type: "string", demandOption: true, describe: "JSON" })
        .option("key", {
          type: "string",
          default: "",
          requiresArg: true,
          describe: "Key it was published with",
        }),
    async (args) => {
      const { branch, topic, key } = args;
      const event = parseJson(args.event, "The event", `vnes state branch event ${branch} ${topic} '{}'`);
      await run(shell, args, branch, { do: "event", topic, key, event });
    },
  );

const addFeed: Add = (yargs, shell) =>
  yargs.command(
    "feed <branch>",
    "Give the branch what its parent was delivered since",
    (args) =>
      named(args).option("to", {
        type: "number",
        requiresArg: true,
        describe: "Last record; default the newest",
      }),
    async (args) => {
      const { branch, to } = args;
      await run(shell, args, branch, to === undefined ? { do: "feed" } : { do: "feed", to });
    },
  );

const addAdvance: Add = (yargs, shell) =>
  yargs.command(
    "advance <branch> <ms>",
    "Let time go on in the branch: timers, expiries and deadlines that come due run",
    (args) => named(args).positional("ms", { type: "number", demandOption: true, describe: "Milliseconds" }),
    async (args) => {
      const { branch, ms } = args;
      if (!Number.isInteger(ms) || ms < 1 || ms > MAX_ADVANCE_MS) {
        const problem = `ms is a whole number from 1 to ${MAX_ADVANCE_MS}`;
        throw cliErrors.create("CLI_USAGE", { problem, next: `vnes state branch advance ${branch} 1000` });
      }
      await run(shell, args, branch, { do: "advance", ms });
    },
  );

const addDiff: Add = (yargs, shell) =>
  yargs.command(
    "diff <branch> [other]",
    "Show which keys of the branch differ from its parent's, or another branch's",
    (args) =>
      named(args)
        .positional("other", { type: "string", describe: "Another branch of the same shard" })
        .option("at", {
          type: "number",
          requiresArg: true,
          describe: "The parent after this record; default the newest",
        })
        .option("limit", { type: "number", default: 100, requiresArg: true, describe: "Keys in one answer" })
        .option("after", { type: "string", requiresArg: true, describe: "Go on behind this key" })
        .conflicts("other", "at"),
    async (args) => {
      const { branch, other, at, limit, after } = args;
      const params: JsonObject = {
        branch,
        limit,
        ...(other === undefined ? {} : { with: other }),
        ...(at === undefined ? {} : { at }),
        ...(after === undefined ? {} : { after }),
      };
      const diff = (await ask(shell, args, "branch.diff", params)) as unknown as StateDifference;
      if (diff.more > 0)
        shell.output.say(
          `there is more: the same with --after ${keyWord(diff.differences.at(-1)?.key ?? "")}`,
        );
      shell.output.data("vnes.state.branch.diff.v1", diff, differencesText(shell.output, diff.differences));
    },
  );

const addDiscard: Add = (yargs, shell) =>
  yargs.command(
    "discard <branch>",
    "Drop a branch and everything it recorded",
    (args) => named(args),
    async (args) => {
      const branch = (await ask(shell, args, "branch.discard", {
        branch: args.branch,
      })) as unknown as BranchInfo;
      shell.output.data("vnes.state.branch.discard.v1", { branch }, `${branch.name} is discarded`);
    },
  );

function named<T>(args: Argv<T>): Argv<T & { readonly branch: string }> {
  return args.positional("branch", { type: "string", demandOption: true, describe: "Its name" });
}

async function ask(
  shell: Shell,
  flags: GlobalFlags,
  method: Extract<ControlMethod, `branch.${string}`>,
  params: JsonObject,
): Promise<Json> {
  return await withNode(shell, flags, (client) => client.request(method, params));
}

async function run(shell: Shell, flags: GlobalFlags, branch: string, input: BranchInput): Promise<void> {
  const params = { branch, input: input as unknown as Json };
  const ran = (await ask(shell, flags, "branch.run", params)) as unknown as OlderAnswer<BranchRan, "more">;
  const { output } = shell;
  const { more = 0 } = ran;
  if (ran.skipped > 0) {
    output.say(`${ran.skipped} deliveries had nothing to be delivered to: the branch has gone another way`);
  }
  if (more > 0) output.say(`${more} more turns ran: vnes state branch show ${branch}`);
  if (ran.cut) output.say("there is more: the same command again goes on");
  const { seq, turns } = ran.branch;
  const head = `${ran.branch.name} stands at record ${seq}, after ${turns} turns of its own`;
  output.data("vnes.state.branch.run.v1", ran, `${head}${turnsText(shell, ran.turns)}`);
  // One turn was asked for, and it failed.
  if (ran.turns.length === 1 && more === 0 && ran.turns[0]?.outcome !== "ok") shell.fail("failed");
}

function infoText({ name, parent, from, fed, seq, at, image, turns }: BranchInfo): string {
  return fields([
    ["branch", name],
    ["of", `${parent} from record ${from}`],
    ["fed", `to record ${fed} of it`],
    ["stands at", `record ${seq}, ${new Date(at).toISOString()}`],
    ["image", shortHash(image)],
    ["turns", turns],
  ]);
}

function turnsText({ output }: Shell, turns: readonly BranchTurn[]): string {
  return turns.map((turn) => `\n\n${branchTurnText(output, turn)}`).join("");
}
