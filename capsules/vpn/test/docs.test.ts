/** docs/protocol.md says what the code does: every reason, every transition, both ways. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GATEWAY_REASONS, REJECTION_REASONS, TRANSITION_REASONS } from "@vnes/vpn-common";
import { CLIENT_REASONS } from "../client/src/reasons.ts";
import { type Transition, TRANSITIONS } from "../session/src/machine.ts";

const PAGE = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");

function tableAfter(heading: string): readonly (readonly string[])[] {
  const from = PAGE.indexOf(heading);
  assert.ok(from >= 0, heading);
  const lines = PAGE.slice(from).split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const rows = lines.slice(
    start,
    lines.findIndex((line, index) => index > start && !line.startsWith("|")),
  );
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

for (const [heading, reasons] of [
  ["**Of a transition**", TRANSITION_REASONS],
  ["**Of a rejection**", REJECTION_REASONS],
  ["**Of the gateway**", GATEWAY_REASONS],
  ["**Of the client**", CLIENT_REASONS],
] as const) {
  test(`${heading.replaceAll("*", "")}: the page and the code name the same reasons`, () => {
    const written = tableAfter(heading).map(([code = "", meaning]) => [code.replaceAll("`", ""), meaning]);
    assert.deepEqual(Object.fromEntries(written), { ...reasons });
  });
}

/** Guards as the page calls them. */
const GUARDS: { readonly [name in Transition["guards"][number]]: string } = {
  owner: "owner",
  channelBound: "channel is the bound one",
  epochCurrent: "epoch current",
  switchesLeft: "switches left",
  clockDue: "due",
};

test("the table of transitions on the page is the one in the code, with every guard and what becomes of the loss clock", () => {
  const written = tableAfter("## Transitions").map(
    ([trigger = "", from = "", to, guards = "", reason = "", binding, lossClock = ""]) => [
      trigger.match(/`(\w+)`/)?.[1],
      trigger.includes("ahead"),
      from === "every one but TERMINATED" ? "BIRTH ATTACHED VOLATILE DEGRADED RECOVERING" : from,
      to,
      guards.split(", ").filter((guard) => guard !== ""),
      reason.startsWith("the cause") ? "cause" : reason.replaceAll("`", ""),
      binding,
      lossClock.replace(", unless it runs", ""),
    ],
  );
  const coded = TRANSITIONS.map((row) => [
    row.trigger,
    row.when !== undefined,
    row.from.join(" "),
    row.to,
    row.guards.map((guard) => GUARDS[guard]),
    row.reason,
    row.binding,
    row.lossClock,
  ]);
  assert.deepEqual(written, coded);
});
