/** The sdk of C beside the one of TypeScript, in a program that checks every access to memory. */
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { nativeExecutor, openProcessSandbox } from "@vnes/driver-process";
import type { TurnResult } from "@vnes/sdk";
import { compile, nativeSpec } from "../../kernel/drivers/process/test/native-capsule.ts";
import { assertAlike, assertSameScripts, type OtherLanguage, stepsOf } from "./scripted-turns.ts";

const source = readFileSync(new URL("native-lab.c", import.meta.url), "utf8");
const CHECKED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const sandbox = openProcessSandbox(nativeExecutor);
after(() => sandbox[Symbol.asyncDispose]());
const instance = await sandbox.open(nativeSpec(compile(source, CHECKED), { limits: { turnMs: 5_000 } }));

const inC: OtherLanguage = {
  deliver: async (request) => (await instance.deliver([request]))[0] as TurnResult,
  reset: () => instance.reset(),
  // Versions and times are integers there; 0 as a version is no key, as -1 is none expected.
  steps: stepsOf([null, 1, 7], [1, 60_000], [5, 2 ** 53, 3]),
};

test("the same turns have the same effects, keys asked for, numbers, ids and codes in both", () =>
  assertAlike(inC, 300));

test("a seed gives its numbers, keys their order, and a second expectation its refusal, as in TypeScript", () =>
  assertSameScripts(inC));
