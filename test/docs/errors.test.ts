/** `docs/errors.md` is the tables of all packages and of the built-in capsules, both ways. `UPDATE=1` writes it anew. */
import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EXIT_CODES, type ErrorEntry } from "@vnes/schemas";
import { errorTables, type NamedTable } from "vnes";

const FILE = new URL("../../docs/errors.md", import.meta.url);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CODE = /^[A-Z]+(_[A-Z0-9]+)+$/;

/** What capsules answer and refuse to start with; the program itself does not know these codes, so their sources are read. */
const CAPSULE_TABLES: readonly NamedTable[] = await Promise.all(
  globSync("capsules/*/*/src/errors.ts", { cwd: ROOT })
    .sort()
    .map(async (file) => {
      const exports = (await import(join(ROOT, file))) as Readonly<Record<string, unknown>>;
      const [name] = Object.keys(exports).filter((name) => name.endsWith("Errors"));
      assert.ok(name, `${file} exports a table whose name ends in Errors`);
      const { entries } = exports[name] as { readonly entries: Readonly<Record<string, ErrorEntry>> };
      return { package: dirname(dirname(file)), name, entries };
    }),
);

function allTables(): readonly NamedTable[] {
  return [...errorTables(), ...CAPSULE_TABLES];
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
}

function page(): string {
  const lines = [
    "# Errors",
    "",
    "Every code a user can meet, by the package or built-in capsule that owns it. Written from the tables in the code by",
    "`UPDATE=1 npm test -- test/docs/errors.test.ts`; a test compares the two. `{name}` is filled in with what it was about.",
    "",
    "Commands exit with: " +
      Object.entries(EXIT_CODES)
        .map(([name, code]) => `${code} ${name}`)
        .join(", ") +
      ".",
  ];
  for (const { package: folder, name, entries } of allTables()) {
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
  for (const { name, entries } of allTables()) {
    for (const [code, { message, remedy }] of Object.entries(entries)) {
      assert.match(code, CODE);
      assert.equal(owner.get(code), undefined, `${code} is in ${owner.get(code)} and ${name}`);
      owner.set(code, name);
      assert.ok(message.trim() !== "" && remedy.trim() !== "", `${code} says what happened and what to do`);
    }
  }
  assert.ok(owner.size > 50);
});
