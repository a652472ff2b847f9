/** The diagram of a session's states in docs/protocol.md is drawn from the table. `UPDATE=1` draws it anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { BINDINGS, type State } from "@vnes/vpn-common";
import { TRANSITIONS } from "../session/src/machine.ts";

const PAGE = new URL("../../../docs/protocol.md", import.meta.url);
const COMMAND = "UPDATE=1 npm test -- capsules/vpn/test/diagram.test.ts";
const BEGIN = `<!-- drawn from the table by ${COMMAND} -->\n`;
const END = "<!-- end of the drawing -->\n";

/** One arrow for each way from one state to another, with everything that goes it. */
function drawing(): string {
  const arrows = new Map<string, string[]>();
  for (const { from, to, trigger, when, guards, bound } of TRANSITIONS) {
    for (const state of from) {
      const named = when === undefined ? trigger : `${trigger} of a version ahead`;
      const numbered = bound === undefined ? named : `${named} (${bound})`;
      const label = guards.length === 0 ? numbered : `${numbered} [${guards.join(", ")}]`;
      const arrow = `${state} --> ${to}`;
      arrows.set(arrow, [...(arrows.get(arrow) ?? []), label]);
    }
  }
  const states = Object.keys(BINDINGS) as State[];
  const isAbsorbing = (state: State): boolean => !TRANSITIONS.some(({ from }) => from.includes(state));
  return [
    "```mermaid",
    "stateDiagram-v2",
    ...states.map((state) => `  ${state}: ${state}, ${BINDINGS[state] === 1 ? "1 binding" : "no binding"}`),
    "  [*] --> BIRTH: create",
    ...[...arrows].map(([arrow, labels]) => `  ${arrow}: ${labels.join("<br>")}`),
    ...states.filter(isAbsorbing).map((state) => `  ${state} --> [*]`),
    "```",
    "",
  ].join("\n");
}

test("the diagram on the page is the table", () => {
  const page = readFileSync(PAGE, "utf8");
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  assert.ok(from >= 0 && to > from, "the page has a place for the diagram");
  const drawn = page.slice(0, from) + BEGIN + drawing() + page.slice(to);
  if (process.env["UPDATE"] === "1") writeFileSync(PAGE, drawn);
  assert.equal(readFileSync(PAGE, "utf8"), drawn, COMMAND);
});
