/**
 * The names that sources count by: what stands, as text, where a counting call names what it counts. A part that is filled in
 * while running is `*`. Types that end in `Drop` are the names of what is counted by a variable.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A counting call, up to what it is given; of a plain `count(…)` only those that name something are meant. */
const CALL = /(counters\??\.(?:add|count)|counts\.set|#count|\bcount|\bdrop(?:ped)?)\(/g;
const TEXT = /"([^"\n]*)"|`([^`]*)`/g;
const DROPS = /type \w*Drop =([^;]*);/g;
/** What a name is compared with is no name. */
const COMPARED = /[!=]==\s*"[^"\n]*"/g;

export function countedNames(root: string, files: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const file of files.flatMap((glob) => globSync(glob, { cwd: root }))) {
    const source = readFileSync(join(root, file), "utf8");
    for (const { index, 0: call } of source.matchAll(CALL)) {
      for (const name of textsIn(argumentsAt(source, index + call.length))) names.add(name);
    }
    for (const [, union = ""] of source.matchAll(DROPS)) for (const name of textsIn(union)) names.add(name);
  }
  return names;
}

/** Up to the parenthesis that ends them. */
function argumentsAt(source: string, from: number): string {
  let depth = 1;
  let at = from;
  for (; depth > 0 && at < source.length; at++) {
    if (source[at] === "(") depth++;
    if (source[at] === ")") depth--;
  }
  return source.slice(from, at - 1);
}

function textsIn(code: string): readonly string[] {
  return [...code.replaceAll(COMPARED, "").matchAll(TEXT)].map(([, plain, filled]) =>
    plain === undefined ? (filled ?? "").replaceAll(/\$\{[^}]*\}/g, "*") : plain,
  );
}
