/** Programs of one file: made once, kept beside their sources, made again when these change. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { builtFile, builtText } from "../src/built-script.ts";

interface Package {
  readonly entry: URL;
  readonly folder: string;
  /** What the script sets. */
  run(): unknown;
  write(name: string, text: string): void;
}

function packageOf(context: TestContext, word: string): Package {
  const folder = mkdtempSync(join(tmpdir(), "vnes-built-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, "src"));
  write("package.json", "{}");
  write("src/word.ts", `export const word: string = ${JSON.stringify(word)};`);
  write("src/main.ts", `export { word } from "./word.ts";`);
  const entry = pathToFileURL(join(folder, "src/main.ts"));
  const run = (): unknown => runInNewContext(`${builtText(entry, "made")}; made.word;`);
  return { entry, folder, run, write };
}

test("a script is made once, and again when one of its sources changed (1)", (context) => {
  const { folder, run, write } = packageOf(context, "first");
  assert.equal(run(), "first");
  const file = join(folder, "dist/main.script.js");
  const { ino } = statSync(file);
  assert.equal(run(), "first");
  assert.equal(statSync(file).ino, ino);
  write("src/word.ts", `export const word: string = "second";`);
  assert.equal(run(), "second");
  assert.notEqual(statSync(file).ino, ino);
});

test("the same sources give the same bytes, and a kept script that is another one is not used (1)", (context) => {
  const { entry, folder, run } = packageOf(context, "ours");
  builtText(entry, "made");
  const file = join(folder, "dist/main.script.js");
  const kept = readFileSync(file, "utf8");
  for (const other of [kept.replace("ours", "else"), kept.slice(0, -9), "", "//{}\n", "no line"]) {
    writeFileSync(file, other);
    assert.equal(run(), "ours");
    assert.equal(readFileSync(file, "utf8"), kept);
  }
});

test("a script made another way is not used (1)", (context) => {
  const { entry } = packageOf(context, "word");
  builtText(entry, "other");
  assert.match(builtText(entry, "made"), /var made=/);
});

test("a script that is kept can be read by whoever runs the node", (context) => {
  const before = process.umask(0o077);
  try {
    const { entry, folder } = packageOf(context, "word");
    const file = builtFile(entry, []);
    assert.equal(file, join(folder, "dist/main.cjs"));
    assert.equal(statSync(file).mode & 0o777, 0o644);
    assert.equal(statSync(join(folder, "dist")).mode & 0o777, 0o755);
  } finally {
    process.umask(before);
  }
});

test("where nothing can be kept a script is made all the same, and a program is not (2)", (context) => {
  const { entry, run, write } = packageOf(context, "word");
  // A file in place of the folder stops root as well.
  write("dist", "");
  assert.equal(run(), "word");
  assert.equal(builtFile(entry, []), undefined);
});
