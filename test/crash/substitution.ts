/** One mutant applied to one source text. */
import type { Mutant } from "./mutants.ts";

/** Throws unless the text to replace stands there exactly once. */
export function mutated(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `mutant ${name}: "${find}" stands ${parts.length - 1} times in ${file}, not once; mend test/crash/mutants.ts`,
    );
  }
  return parts.join(replace);
}
