/** Breaks one source file of this process while it is loaded, as `VNES_MUTANT` says, and nothing else. */
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutants.ts";
import { mutated } from "./substitution.ts";

/** Ends the process when the environment names no mutant of the table. */
export function breakSource(mutants: readonly Mutant[]): void {
  const name = process.env["VNES_MUTANT"];
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) {
    process.stderr.write(`no mutant is called ${name}\n`);
    process.exit(2);
  }
  const target = fileURLToPath(new URL(`../../${mutant.file}`, import.meta.url));
  let applied = false;

  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith("file:") || fileURLToPath(url) !== target) return loaded;
      applied = true;
      const source =
        typeof loaded.source === "string"
          ? loaded.source
          : Buffer.from(loaded.source as Uint8Array).toString();
      return { ...loaded, source: mutated(source, mutant) };
    },
  });

  process.on("exit", () => {
    if (!applied) process.stderr.write(`mutant ${mutant.name}: ${mutant.file} was never loaded\n`);
  });
}
