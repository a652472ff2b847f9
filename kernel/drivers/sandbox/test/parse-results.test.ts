/** What results cost before they are judged, and what a line of the log may bring. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePiece, parseResults } from "../src/parse-results.ts";

const TURNS = [{ turn: 1 }, { turn: 2 }];
const EFFECT_BYTES = 4 * 1024 * 1024;
const DONE = { turn: 1, kind: "done", effects: [] };

function invalid(text: string): string | undefined {
  return parseResults(Buffer.from(text), TURNS, EFFECT_BYTES).invalid;
}

test("a text of more values than turns can have is refused without being read", () => {
  assert.equal(invalid(`[${"[],".repeat(2_000_000)}0]`), "more than 1000000 values");
  assert.equal(invalid(`[${"1,".repeat(2_000_000)}0]`), "more than 1000000 values");
  // Within strings nothing is a value, whatever stands before their end.
  const texts = ["[{,".repeat(500_000), '\\"[,'.repeat(300_000), "\\"];
  const written = JSON.stringify([{ ...DONE, effects: texts.map((key) => ({ do: "delete", key })) }]);
  assert.ok(written.length > 2_000_000);
  const judged = parsePiece(Buffer.from(written), TURNS, EFFECT_BYTES, undefined);
  assert.equal(judged.invalid, undefined);
});

test("a text of more parts than turns is refused at the first that is too many", () => {
  assert.equal(invalid(`${"[]\n".repeat(300_000)}[]`), "more parts than turns");
  assert.equal(invalid("\n".repeat(5_000_000)), "not JSON");
  const lines = TURNS.map(({ turn }) => JSON.stringify([{ ...DONE, turn }]));
  assert.equal(invalid(lines.join("\n")), undefined);
});

test("a line of the log brings no more than the sdks let it", () => {
  const withData = (data: unknown): string | undefined =>
    parsePiece(
      Buffer.from(JSON.stringify([{ ...DONE, logs: [{ level: "info", message: "m", data }] }])),
      TURNS,
      EFFECT_BYTES,
      undefined,
    ).invalid;
  assert.equal(withData("\u20ac".repeat(16_384)), undefined);
  assert.equal(withData(Array.from({ length: 8_192 }, () => 1)), undefined);
  assert.equal(withData("x".repeat(1_000_000)), "a log line that is none");
});

test("a turn asks for so many ranges and no more, and for none within what it was given", () => {
  const asking = (ranges: string[], given: string[] = []): string | undefined =>
    parsePiece(
      Buffer.from(JSON.stringify([{ turn: 1, kind: "needKeys", keys: [], ranges }])),
      [{ turn: 1, ranges: given }],
      EFFECT_BYTES,
      undefined,
    ).invalid;
  const ranges = Array.from({ length: 65 }, (_, n) => `r${n}/`);
  assert.equal(asking(ranges.slice(1)), undefined);
  assert.equal(asking(ranges), "needKeys without lists of keys and ranges");
  assert.equal(asking(["a/b"], ["c/", "a/"]), "needKeys for keys that it was given");
  assert.equal(asking(["a/b"], ["a/bc"]), undefined);
});

test("a name that JSON.parse misreads is none of those that a result is judged by", () => {
  // Node 24 reads a last character that is escaped as a backslash, once it has met an object of that shape.
  const escaped = (name: string): string =>
    `${name.slice(0, -1)}\\u${name
      .charCodeAt(name.length - 1)
      .toString(16)
      .padStart(4, "0")}`;
  const judged = (value: string): string =>
    JSON.stringify(
      parsePiece(
        Buffer.from(`[{"turn":1,"kind":"done","effects":[{"do":"write","key":"k","value":${value}}]}]`),
        TURNS,
        EFFECT_BYTES,
        undefined,
      ),
    );
  for (const name of ["__proto__", "admin"]) {
    const confusing = `{"a":1,"${name.slice(0, -1)}\\\\":true}`;
    for (let times = 0; times < 3; times++) judged(confusing);
    const found = judged(`{"a":1,"${escaped(name)}":true}`);
    assert.doesNotMatch(found, /"__proto__"/);
  }
  for (let times = 0; times < 3; times++) invalid(`[{"turn":1,"kind":"done","effect\\\\":[]}]`);
  assert.equal(
    invalid(`[{"turn":1,"kind":"done","${escaped("effects")}":[]}]`),
    "done without a list of effects",
  );
});
