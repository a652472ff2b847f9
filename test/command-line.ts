/** Command lines of what people run by hand in this tree: what means nothing is said in a line, with what there is, and ends in 2. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

export interface CommandLine<O extends ParseArgsOptionsConfig> {
  readonly values: ReturnType<typeof parseArgs<{ options: O }>>["values"];
  /** Ends the process. */
  usage(problem: string): never;
}

/** `line`: the command with all it takes. */
export function readCommandLine<const O extends ParseArgsOptionsConfig>(
  line: string,
  options: O,
): CommandLine<O> {
  const usage = (problem: string): never => {
    console.error(`${problem}\nusage: ${line}`);
    process.exit(2);
  };
  try {
    return { values: parseArgs({ options }).values, usage };
  } catch (error) {
    return usage((error as Error).message);
  }
}
