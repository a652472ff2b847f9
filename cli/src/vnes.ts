/** The command line as a table of commands. It reads nothing of the world; everything comes in with the shell. */
import { isVnesError } from "@vnes/schemas";
import yargs, { type Argv } from "yargs";
import { unexpected } from "./control/failure.ts";
import { showError } from "./output/problem.ts";
import { typedFlags } from "./output/same-node.ts";
import type { GlobalFlags, Shell } from "./shell.ts";
import { assertVersionAlone, nameAsTyped, repeatedOption, usageError, valueError } from "./usage.ts";
import { addStateBranch } from "./commands/branch.ts";
import { addBoot } from "./commands/boot.ts";
import { addCall } from "./commands/call.ts";
import { addCompletion } from "./commands/completion.ts";
import * as author from "./commands/capsule-author.ts";
import * as run from "./commands/capsule-run.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addKeyList, addKeyNew } from "./commands/key.ts";
import { addKeyDistrust, addKeyExport, addKeyTrust } from "./commands/key-trust.ts";
import { addLedgerVerify } from "./commands/ledger.ts";
import { addQuarantineDelete, addQuarantineList, addQuarantineShow } from "./commands/quarantine.ts";
import { addReceiptExport, addReceiptVerify } from "./commands/receipt.ts";
import { addReplay } from "./commands/replay.ts";
import { addSessionList, addSessionShow, addSessionTerminate } from "./commands/session.ts";
import { addSessionExplain } from "./commands/session-explain.ts";
import { addSessionExport } from "./commands/session-export.ts";
import { addSessionHistory } from "./commands/session-history.ts";
import { addSessionJump } from "./commands/session-jump.ts";
import { addSessionWatch } from "./commands/session-watch.ts";
import { addStateAt, addStateDiff, addStateGet, addStateHistory, addStateList } from "./commands/state.ts";
import { addStatus } from "./commands/status.ts";
import * as topic from "./commands/topic.ts";
import { addTopicTail } from "./commands/topic-tail.ts";

type Add = (yargs: Argv<GlobalFlags>, shell: Shell) => Argv<GlobalFlags>;

const COMMANDS: readonly Add[] = [
  addBoot,
  addStatus,
  group("capsule", "Author, install and steer capsules", [
    author.addCapsuleNew,
    author.addCapsuleBuild,
    author.addCapsuleSign,
    author.addCapsuleVerify,
    author.addCapsuleInstall,
    author.addCapsuleUninstall,
    run.addCapsuleList,
    run.addCapsuleInspect,
    run.addCapsuleActions,
  ]),
  group("topic", "See topics, their events and subscribers; publish; deliver again", [
    topic.addTopicList,
    topic.addTopicShow,
    addTopicTail,
    topic.addTopicPublish,
    topic.addTopicReplay,
  ]),
  group("quarantine", "See what was refused, and why", [
    addQuarantineList,
    addQuarantineShow,
    addQuarantineDelete,
  ]),
  group("state", "See what capsules keep: now, back in time, and what changed", [
    addStateGet,
    addStateList,
    addStateHistory,
    addStateAt,
    addStateDiff,
    addStateBranch,
  ]),
  group("session", "See VPN sessions, why they are where they are, and move, end or export them", [
    addSessionList,
    addSessionShow,
    addSessionExplain,
    addSessionHistory,
    addSessionWatch,
    addSessionJump,
    addSessionTerminate,
    addSessionExport,
  ]),
  group("key", "Signing keys, and whose signatures count here", [
    addKeyNew,
    addKeyList,
    addKeyExport,
    addKeyTrust,
    addKeyDistrust,
  ]),
  addReplay,
  group("receipt", "What capsules did, for others to check", [addReceiptExport, addReceiptVerify]),
  group("ledger", "Look into a ledger file that no node uses", [addLedgerVerify]),
  addCall,
  addDoctor,
  addCompletion,
];

function group(name: string, describe: string, commands: readonly Add[]): Add {
  return (outer, shell) => {
    return outer.command(
      name,
      describe,
      (args) =>
        commands.reduce((so, add) => add(so, shell), args).demandCommand(1, `Which command of vnes ${name}?`),
      () => {},
    );
  };
}

/** Runs one command line; what went wrong has been said when this resolves. */
export async function vnes(args: readonly string[], shell: Shell, version: string): Promise<void> {
  const parser = commandLine(shell, version, args);
  try {
    assertVersionAlone(args);
    await parser.parseAsync(args);
  } catch (error) {
    const known = isVnesError(error) ? valueError(error, args) : unexpected(error);
    shell.output.json ||= asksForJson(args);
    showError(shell.output, known);
    if (shell.trace && !isVnesError(error)) shell.output.say(String((error as Error).stack));
    shell.fail(known.exit);
  }
}

function commandLine(shell: Shell, version: string, words: readonly string[]): Argv<GlobalFlags> {
  const parser = yargs();
  const global = parser
    .scriptName("vnes")
    .usage(
      "$0 <command>\n\nVNES runs capsules: code that says what it is, proves it, and gets only what it was allowed.",
    )
    .option("home", {
      type: "string",
      requiresArg: true,
      describe: "Keep everything below this directory [VNES_HOME]",
    })
    .option("node", {
      type: "string",
      requiresArg: true,
      describe: "Which node; default: the configured one, or local",
    })
    .option("data-dir", { type: "string", requiresArg: true, describe: "The node's own directory" })
    .option("config", { type: "string", requiresArg: true, describe: "Configuration file" })
    .option("output", {
      alias: "o",
      choices: ["text", "json"] as const,
      default: "text",
      describe: "How to answer",
    })
    .middleware((args) => {
      shell.output.json = args.output === "json";
      shell.output.flags = typedFlags(args as unknown as GlobalFlags);
    })
    .check((args) => {
      const repeated = repeatedOption(parser, words);
      if (repeated !== undefined)
        throw usageError(`--${repeated} is given more than once and takes one value`, parser, words);
      // The parser takes any word for a number and calls it NaN.
      const wrong = Object.keys(args).find((name) => Number.isNaN(args[name]));
      if (wrong !== undefined) throw usageError(`${nameAsTyped(wrong, words)} takes a number`, parser, words);
      return true;
    })
    .parserConfiguration({
      // Lists grow with every flag; for what is no list, `repeatedOption` refuses the second.
      "duplicate-arguments-array": true,
      "greedy-arrays": false,
      "camel-case-expansion": true,
    })
    .version(version)
    .alias("version", "V")
    .help()
    .alias("help", "h")
    .strict()
    .demandCommand(1, "Which command? ")
    .exitProcess(false)
    .fail((message, error) => {
      // A YError is the parser's own word for a wrong command line; anything else was thrown by a command.
      throw error === undefined || error === null || error.name === "YError"
        ? usageError(message ?? error?.message, parser, words)
        : error;
    });
  // yargs adds `dataDir` beside `data-dir` when it parses; its types do not say so.
  return COMMANDS.reduce((so, add) => add(so, shell), global as unknown as Argv<GlobalFlags>);
}

/** For a command line that could not be parsed far enough to know. */
function asksForJson(args: readonly string[]): boolean {
  return args.some(
    (arg, i) =>
      arg === "-ojson" ||
      arg === "--output=json" ||
      (arg === "json" && /^(-o|--output)$/.test(args[i - 1] ?? "")),
  );
}
