/** `docs/errors.md` is the tables of all packages, both ways. `UPDATE=1` writes it anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { EXIT_CODES } from "@vnes/schemas";
import { errorTables } from "vnes";

const FILE = new URL("../../docs/errors.md", import.meta.url);
const CODE = /^[A-Z]+(_[A-Z0-9]+)+$/;

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
}

function page(): string {
  const lines = [
    "# Errors",
    "",
    "Every code a user can meet, by the package that owns it. Written from the tables in the code by",
    "`UPDATE=1 npm test -- test/docs/errors.test.ts`; a test compares the two. `{name}` is filled in with what it was about.",
    "",
    "Commands exit with: " +
      Object.entries(EXIT_CODES)
        .map(([name, code]) => `${code} ${name}`)
        .join(", ") +
      ".",
  ];
  for (const { package: folder, name, entries } of errorTables()) {
    lines.push(
      "",
      `## ${folder}: \`${name}\``,
      "",
      "| code | what happened | whose fault | again? | exit | what to do |",
      "|---|---|---|---|---|---|",
    );
    for (const [code, { message, fault, retry, exit, remedy }] of Object.entries(entries).sort(([a], [b]) =>
      a < b ? -1 : 1,
    )) {
      lines.push(
        `| \`${code}\` | ${cell(message)} | ${fault} | ${retry ? "yes" : "no"} | ${EXIT_CODES[exit]} | ${cell(remedy)} |`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

test("docs/errors.md says what the tables say", () => {
  const expected = page();
  if (process.env["UPDATE"] === "1") writeFileSync(FILE, expected);
  assert.equal(readFileSync(FILE, "utf8"), expected, "UPDATE=1 npm test -- test/docs/errors.test.ts");
});

test("a code belongs to one table only, and every entry can be shown to a person", () => {
  const owner = new Map<string, string>();
  for (const { name, entries } of errorTables()) {
    for (const [code, { message, remedy }] of Object.entries(entries)) {
      assert.match(code, CODE);
      assert.equal(owner.get(code), undefined, `${code} is in ${owner.get(code)} and ${name}`);
      owner.set(code, name);
      assert.ok(message.trim() !== "" && remedy.trim() !== "", `${code} says what happened and what to do`);
    }
  }
  assert.ok(owner.size > 50);
});
