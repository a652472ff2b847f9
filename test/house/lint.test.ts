/**
 * The lint rules that keep the house's walls, each shown to bite: a file that breaks them is linted as if it lay where
 * the rule holds. The fixture is not part of the program and is linted nowhere else.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIXTURE = fileURLToPath(new URL("fixture/", import.meta.url));

interface Diagnostic {
  readonly code: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

/** Lints `fixture` as the file `path` of a copy of this repository's configuration; lines to codes. */
function lint(fixture: string, path: string): ReadonlyMap<number, readonly string[]> {
  const dir = mkdtempSync(join(tmpdir(), "vnes-lint-"));
  try {
    for (const file of [".oxlintrc.json", "tsconfig.base.json"]) cpSync(join(ROOT, file), join(dir, file));
    writeFileSync(
      join(dir, "tsconfig.json"),
      JSON.stringify({
        extends: "./tsconfig.base.json",
        compilerOptions: { types: ["node"], noEmit: true },
        include: ["**/*.ts"],
      }),
    );
    symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    cpSync(join(FIXTURE, fixture), join(dir, path));
    const { stdout, stderr } = spawnSync(
      join(ROOT, "node_modules/.bin/oxlint"),
      ["--type-aware", "-f", "json", path],
      {
        cwd: dir,
        encoding: "utf8",
        timeout: 60_000,
      },
    );
    assert.ok(stdout.startsWith("{"), stdout + stderr);
    const found = new Map<number, string[]>();
    for (const { code, labels } of (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics) {
      const line = labels[0]?.span.line ?? 0;
      found.set(line, [...(found.get(line) ?? []), code]);
    }
    return found;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Each line of the fixture that ends in `// <rule>` must be reported by that rule, and no other line by any of these. */
function expectAll(fixture: string, path: string): void {
  const found = lint(fixture, path);
  const lines = readFileSync(join(FIXTURE, fixture), "utf8").split("\n");
  const rules = new Set<string>();
  lines.forEach((text, i) => {
    const rule = / \/\/ breaks ([\w/-]+)/.exec(text)?.[1];
    const codes = found.get(i + 1) ?? [];
    if (rule === undefined) {
      const wall = codes.filter((code) => /no-restricted|no-floating|switch-exhaustiveness/.test(code));
      assert.deepEqual(wall, [], `${path}:${i + 1} is fine: ${text}`);
      return;
    }
    rules.add(rule);
    assert.ok(
      codes.some((code) => code.includes(rule)),
      `${path}:${i + 1} should break ${rule}: ${text} (${codes.join(" ")})`,
    );
  });
  assert.ok(rules.size > 0, "the fixture breaks something");
}

for (const folder of [
  "lifecycle",
  "admission",
  "binding",
  "confinement",
  "budget",
  "bus",
  "ledger",
  "state",
  "placement",
]) {
  test(`kernel/src/${folder} asks nothing of the machine`, () => {
    expectAll("pure.txt", `kernel/src/${folder}/bad.ts`);
  });
}

test("a capsule imports the sdk and its own files only", () => {
  expectAll("capsule.txt", "capsules/vpn/session/src/bad.ts");
});

test("the dumb model of a session imports nothing", () => {
  expectAll("model.txt", "capsules/vpn/session/test/session-model.ts");
});

test("a promise is not left floating, and a switch leaves nothing out, anywhere", () => {
  expectAll("anywhere.txt", "cli/src/bad.ts");
});
