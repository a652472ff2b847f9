/** Loaded with `--import` into the node under test: breaks one source file as `VNES_MUTANT` says, and nothing else. */
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./mutants.ts";
import { mutated } from "./substitution.ts";

const name = process.env["VNES_MUTANT"];
const mutant = MUTANTS.find((one) => one.name === name);
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
      typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
    return { ...loaded, source: mutated(source, mutant) };
  },
});

process.on("exit", () => {
  if (!applied) process.stderr.write(`mutant ${mutant.name}: ${mutant.file} was never loaded\n`);
});
