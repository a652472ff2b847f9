/** The sdk of Python beside the one of TypeScript: the same requests, the same results, down to the numbers drawn. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { TurnResult } from "@vnes/sdk";
import { assertAlike, assertSameScripts, type OtherLanguage, stepsOf } from "./scripted-turns.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const python = spawn("python3", ["-S", "-B", here("python-lab.py"), here("../python")], {
  stdio: ["pipe", "pipe", "inherit"],
});
const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
after(() => python.kill());

async function ask(line: object): Promise<TurnResult> {
  python.stdin.write(`${JSON.stringify(line)}\n`);
  const { value, done } = await answers.next();
  assert.notEqual(done, true, "python3 is gone");
  return JSON.parse(value as string) as TurnResult;
}

const inPython: OtherLanguage = {
  deliver: ask,
  reset: async () => void (await ask({ reset: true })),
  steps: stepsOf([null, 1, 7, 0], [1, 60_000, 0, 1.5], [5, 0.5, 2 ** 53, 3]),
};

test("the same turns have the same effects, keys asked for, numbers, ids and codes in both", () =>
  assertAlike(inPython, 300));

test("a seed gives its numbers, keys their order, and a second expectation its refusal, as in TypeScript", () =>
  assertSameScripts(inPython));
