/** What nodes of an older program answer stays readable: a command may be newer than the node it asks. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkControlResult, type ControlMethod, type Json } from "@vnes/schemas";

/** Recorded at the control socket of a node that ran the program of that day; never to be changed, only added to. */
const RECORDED = new URL("testdata/control-answers-2026-11-21.jsonl", import.meta.url);

for (const line of readFileSync(RECORDED, "utf8").trim().split("\n")) {
  const { method, result } = JSON.parse(line) as { readonly method: ControlMethod; readonly result: Json };
  test(`${method}, as a node answered on 2026-11-21, is an answer`, () => {
    assert.equal(checkControlResult(method, result), undefined);
  });
}
