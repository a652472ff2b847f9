/** What the pages tell people to type, set and click is there. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EXIT_CODES, parseNodeConfig } from "@vnes/schemas";
import { Home } from "../cli/vnes.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const readme = read("README.md");

function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) =>
    (match[1] ?? "").trim(),
  );
}

test("the quick start is two commands, and they are scripts of the package", () => {
  const quick = readme.slice(readme.indexOf("## Quick start"), readme.indexOf("## What you see"));
  assert.deepEqual(blocks(quick, "sh"), ["npm ci && npm start", "npm ci && npm test"]);
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  for (const name of ["start", "test", "lint", "types", "format", "bench", "crash", "sim"]) {
    const file = /\S+\.ts$/.exec(scripts[name] ?? "")?.[0];
    assert.ok(scripts[name], name);
    if (file !== undefined) assert.ok(existsSync(join(ROOT, file)), `${name} runs ${file}`);
  }
  for (const [, name] of read("CONTRIBUTING.md").matchAll(/npm run ([\w:]+)/g))
    assert.ok(scripts[name as string], name);
});

const PAGES = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md", { cwd: ROOT })];

test("every table begins with its head", () => {
  for (const page of PAGES) {
    const lines = read(page).split("\n");
    lines.forEach((line, i) => {
      if (!line.startsWith("|") || lines[i - 1]?.startsWith("|") === true) return;
      assert.match(lines[i + 1] ?? "", /^(\|:?-+:?)+\|$/, `${page}:${i + 1}`);
    });
  }
});

test("the glossary is in order, and what it names as code is there", () => {
  const rows = [...read("docs/glossary.md").matchAll(/^\| (?!word)([^|]+) \| .+ \| (.+) \|$/gm)];
  const words = rows.map(([, word = ""]) => word.split(",")[0]?.toLowerCase() ?? "");
  assert.ok(words.length > 80, `${words.length}`);
  assert.deepEqual(words, [...new Set(words)].sort());
  for (const [, word, code = ""] of rows)
    for (const [, path] of code.matchAll(/`((?:[\w.-]+\/)+[\w.-]*)`/g))
      assert.ok(existsSync(join(ROOT, path as string)), `${word}: ${path}`);
});

test("every link between pages leads somewhere", () => {
  for (const page of PAGES) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(ROOT, dirname(page), target as string)), `${page} -> ${target}`);
    }
  }
});

test("every file that docs/invariants.md names as what keeps or tests a promise is there", () => {
  const files = globSync("{capsules,cli,kernel,registry,schemas,sdk,test}/**/*.ts", {
    cwd: ROOT,
    exclude: (path) => /(^|\/)(node_modules|dist)(\/|$)/.test(path),
  });
  const named = [...read("docs/invariants.md").matchAll(/`([\w./-]+\.ts)`/g)].map(
    (match) => match[1] as string,
  );
  assert.ok(named.length > 50, `${named.length}`);
  for (const name of named)
    assert.ok(
      files.some((file) => file === name || file.endsWith(`/${name}`)),
      name,
    );
});

test("a number of docs/invariants.md names one invariant", () => {
  const rows = [...read("docs/invariants.md").matchAll(/^\| ([A-Z]+)(\d+)(?:-[A-Z]+(\d+))? \|/gm)];
  const named = rows.flatMap(([, letters = "", first, last = first]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, n) => `${letters}${Number(first) + n}`),
  );
  assert.ok(named.length > 80, `${named.length}`);
  const twice = named.filter((name, index) => named.indexOf(name) !== index);
  assert.deepEqual(twice, []);
});

test("every runtime dependency has a line that says why, and no line is left over", () => {
  const listed = [...readme.matchAll(/^\| `([@\w/-]+)` \| [^|]+ \|$/gm)].map((match) => match[1] as string);
  const named = listed.filter((name) => !name.startsWith("vnes"));
  const used = new Set<string>();
  for (const file of [
    "schemas",
    "kernel",
    "sdk",
    "capsules",
    "registry",
    "cli",
    ...globSync("kernel/drivers/*", { cwd: ROOT }),
  ]) {
    const { dependencies = {} } = JSON.parse(read(join(file, "package.json"))) as {
      dependencies?: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) if (!name.startsWith("@vnes/")) used.add(name);
  }
  assert.deepEqual(named.sort(), [...used].sort());
});

test("the README's commands are the commands there are", async () => {
  await using home = new Home();
  const commandsOf = async (...args: string[]): Promise<string[]> => {
    const { out, code } = await home.run(...args, "--help");
    assert.equal(code, 0);
    const depth = args.length + 1;
    const lines = out.slice(out.indexOf("Commands:"), out.indexOf("Options:")).split("\n");
    return lines.flatMap((line) => {
      const words = /^ {2}vnes ([a-z ]+?)(?: [[<]|\s{2,}|$)/.exec(line)?.[1]?.split(" ") ?? [];
      return words.length === depth ? [words.join(" ")] : [];
    });
  };
  const groups = ["capsule", "quarantine", "session", "key", "ledger", "receipt", "state", "topic"];
  const top = (await commandsOf()).filter((name) => !groups.includes(name));
  const nested = (await Promise.all(groups.map((group) => commandsOf(group)))).flat();
  const table = readme.slice(readme.indexOf("## Commands"), readme.indexOf("Data goes to"));
  const told = [...table.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) => {
    const names = [...(cell as string).matchAll(/`([^`]+)`/g)].map((match) =>
      (match[1] as string).replace(/^vnes /, ""),
    );
    const [first = ""] = names;
    const [group] = first.split(" ");
    return names.map((name, i) => (i === 0 ? name : `${group} ${name}`));
  });
  assert.deepEqual(told.sort(), [...top, ...nested].sort());
});

test("the configuration in docs/operations.md is one a node takes", () => {
  const [example = ""] = blocks(read("docs/operations.md"), "json");
  const parsed = parseNodeConfig(Buffer.from(example));
  assert.ok(parsed.ok, JSON.stringify(parsed));
});

test("the exit codes of docs/operations.md are those of the code", () => {
  const told = [...read("docs/operations.md").matchAll(/^\| (\d) \| /gm)].map((match) => Number(match[1]));
  assert.deepEqual(told, Object.values(EXIT_CODES));
});

test("authoring is the same five commands on both pages", () => {
  const five = (text: string): string =>
    (blocks(text, "sh").find((block) => block.includes("capsule new")) ?? "").replaceAll("npx ", "");
  assert.equal(five(readme), five(read("docs/authoring.md")));
  assert.equal(five(readme).split("\n").length, 5);
});
