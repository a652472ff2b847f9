/** Values of keys as people read them: one line each, long ones by their first part; `-o json` has all of them. */
import type { KeyDifference } from "@vnes/kernel";
import type { Json } from "@vnes/schemas";
import type { Output } from "./output.ts";
import { harmless, table } from "./text.ts";

const MAX_SHOWN = 120;

export function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}... (${text.length} characters)`;
}

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;
const STYLES = { added: "green", removed: "red", changed: "yellow" } as const;

export function differencesText(output: Output, differences: readonly KeyDifference[]): string {
  if (differences.length === 0) return "no key differs";
  return table(differences, [
    {
      title: "",
      value: ({ difference }) => SIGNS[difference],
      paint: ({ difference }, text) => output.paint(STYLES[difference], text),
    },
    { title: "key", value: ({ key }) => harmless(key) },
    { title: "before", value: ({ before }) => (before === null ? "-" : brief(before.value)) },
    { title: "after", value: ({ after }) => (after === null ? "-" : brief(after.value)) },
  ]);
}
