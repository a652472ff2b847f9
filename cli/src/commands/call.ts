/** `vnes call`: asks a capability of a running node, as a capsule would. */
import { shellWord } from "@vnes/schemas";
import type { Argv } from "yargs";
import { ask } from "../ask.ts";
import { CALL_TIMEOUT_MS } from "../control/bounds.ts";
import { jsonText } from "../output/text.ts";
import { parseJson } from "../parse-json.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

export function addCall(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "call <capability> <method> [input]",
    "Ask a capability of a running node",
    (args) =>
      args
        .positional("capability", { type: "string", demandOption: true, describe: "Such as vpn.transport" })
        .positional("method", { type: "string", demandOption: true, describe: "Such as status" })
        .positional("input", { type: "string", default: "{}", describe: "JSON" })
        .option("timeout", { type: "number", default: CALL_TIMEOUT_MS, describe: "Milliseconds to wait" }),
    async (args) => {
      const { capability, method } = args;
      const input = parseJson(
        args.input,
        "The input",
        `vnes call ${shellWord(capability)} ${shellWord(method)} '{}'`,
      );
      const value = await withNode(shell, args, (client) =>
        ask(client, capability, method, input, args.timeout),
      );
      shell.output.data("vnes.call.v1", { capability, method, value }, jsonText(value));
    },
  );
}
