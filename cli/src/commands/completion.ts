/** `vnes completion`: what a shell reads to complete commands. A command of ours, as yargs' own answers every word behind it with the script, `--help` too. */
import yargs, { type Argv } from "yargs";
import type { GlobalFlags } from "../shell.ts";

const SHELLS = ["bash", "zsh"] as const;

export function addCompletion(args: Argv<GlobalFlags>): Argv<GlobalFlags> {
  return args.command(
    "completion [shell]",
    "Write a completion script: vnes completion bash, or zsh",
    (words) => words.positional("shell", { choices: SHELLS, describe: "Default: the one that runs" }),
    ({ shell: name }) => {
      // yargs takes no word for which shell it is; it asks the environment while a parser is made.
      if (name !== undefined) process.env["SHELL"] = name;
      yargs().scriptName("vnes").showCompletionScript();
    },
  );
}
