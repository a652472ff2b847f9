/** Commands that a person is told to type next: given the flags that mean the same node as the command just typed. */
import { shellWord } from "@vnes/schemas";
import type { GlobalFlags } from "../shell.ts";

/** The words before a command's own: `vnes boot`, `vnes capsule build`. */
const COMMAND =
  /\bvnes (?:boot|status|replay|call|doctor|(?:capsule|quarantine|topic|state|session|key|receipt|ledger) [a-z]+)\b/g;

/** As typed: `--home 'my nodes'`. */
export function typedFlags({ home, config, node, dataDir }: GlobalFlags): readonly string[] {
  const flags = { "--home": home, "--config": config, "--node": node, "--data-dir": dataDir };
  return Object.entries(flags).flatMap(([name, value]) =>
    typeof value === "string" ? [`${name} ${shellWord(value)}`] : [],
  );
}

/** A flag that the text gives already is not given twice. */
export function forSameNode(text: string, flags: readonly string[]): string {
  if (flags.length === 0) return text;
  const missing = flags.filter((flag) => !text.includes(` ${flag.slice(0, flag.indexOf(" "))} `));
  return text.replace(COMMAND, (command) => [command, ...missing].join(" "));
}
