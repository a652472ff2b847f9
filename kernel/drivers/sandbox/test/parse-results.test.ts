/** What results cost before they are judged, and what a line of the log may bring. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TurnResult } from "@vnes/schemas";
import {
  AT_ONCE_BYTES,
  isAsExpected,
  type Judged,
  type JudgedRequest,
  parsePiece,
  parseResults,
} from "../src/parse-results.ts";
import { atOnce } from "../src/steps.ts";

const TURNS = [{ turn: 1 }, { turn: 2 }];
const EFFECT_BYTES = 4 * 1024 * 1024;
const DONE = { turn: 1, kind: "done", effects: [] };

function whole(text: string): Judged {
  return atOnce(parseResults(Buffer.from(text), TURNS, EFFECT_BYTES), () => undefined);
}

function invalid(text: string): string | undefined {
  return whole(text).invalid;
}

function piece(
  text: string,
  requests: readonly JudgedRequest[] = TURNS,
  effectBytes: number = EFFECT_BYTES,
): Judged {
  return atOnce(parsePiece(Buffer.from(text), requests, effectBytes, undefined), () => undefined);
}

test("a text of more values than turns can have is refused without being read", () => {
  const digits = `[{"turn":1,"kind":"done","effects":[${"1,".repeat(2_000_000)}0]}]`;
  assert.equal(invalid(digits), "more than 1000000 values");
  // Within strings nothing is a value, whatever stands before their end.
  const texts = ["[{,".repeat(500_000), '\\"[,'.repeat(300_000), "\\"];
  const written = JSON.stringify([{ ...DONE, effects: texts.map((key) => ({ do: "delete", key })) }]);
  assert.ok(written.length > 2_000_000);
  const judged = piece(written);
  assert.equal(judged.invalid, undefined);
});

test("a text of more parts than turns is refused at the first that is too many", () => {
  assert.equal(invalid(`${"[]\n".repeat(300_000)}[]`), "more parts than turns");
  assert.equal(invalid("\n".repeat(5_000_000)), "not JSON");
  const lines = TURNS.map(({ turn }) => JSON.stringify([{ ...DONE, turn }]));
  assert.equal(invalid(lines.join("\n")), undefined);
});

test("results are as expected in however many lines they come, and not with a byte changed", () => {
  const results = ["a", "\u20ac", '"[,]', ""].map((key, turn) => JSON.stringify({ turn, key }));
  const expected = Buffer.from(`[${results.join(",")}]`);
  // A bit for each place between two results: whether the line ends there.
  for (let ends = 0; ends < 2 ** (results.length - 1); ends++) {
    const separator = (nth: number): string => (nth === 0 ? "[" : ends & (1 << (nth - 1)) ? "]\n[" : ",");
    const text = Buffer.from(`${results.map((result, nth) => separator(nth) + result).join("")}]`);
    assert.ok(isAsExpected(text, expected), text.toString());
    for (let at = 0; at < text.length; at++) {
      const changed = Buffer.from(text);
      changed[at] = (changed[at] as number) ^ 1;
      assert.ok(!isAsExpected(changed, expected), changed.toString());
      assert.ok(!isAsExpected(text.subarray(0, at), expected));
    }
    assert.ok(!isAsExpected(Buffer.concat([text, Buffer.from("\n[]")]), expected));
  }
});

test("a line of the log brings no more than the sdks let it", () => {
  const withData = (data: unknown): string | undefined =>
    piece(JSON.stringify([{ ...DONE, logs: [{ level: "info", message: "m", data }] }])).invalid;
  assert.equal(withData("\u20ac".repeat(16_384)), undefined);
  assert.equal(withData(Array.from({ length: 8_192 }, () => 1)), undefined);
  assert.equal(withData("x".repeat(1_000_000)), "a log line that is none");
});

test("a turn asks for so many ranges and no more, and for none within what it was given", () => {
  const asking = (ranges: string[], given: string[] = []): string | undefined =>
    piece(JSON.stringify([{ turn: 1, kind: "needKeys", keys: [], ranges }]), [{ turn: 1, ranges: given }])
      .invalid;
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
    JSON.stringify(piece(`[{"turn":1,"kind":"done","effects":[{"do":"write","key":"k","value":${value}}]}]`));
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

/** More than is read at once. */
const LONG = Array.from({ length: AT_ONCE_BYTES }, (_, n) => n);
const writing = (...values: unknown[]): TurnResult =>
  ({
    ...DONE,
    effects: values.map((value, n) => ({ do: "write", key: `k${n}`, value })),
  }) as TurnResult;

test("a long text comes to what it would have come to at once", () => {
  const results = [
    writing(LONG, "x"),
    { ...writing(Object.fromEntries(LONG.map((n) => [`n${n}`, n]))), turn: 2 },
  ];
  assert.deepEqual(whole(JSON.stringify(results)), { results });
  const lists = Array.from({ length: 65_536 }, () => []);
  assert.equal(whole(JSON.stringify([writing(lists)])).invalid, "more than 65536 lists and objects in one");
  const behind = (bad: string): Judged => whole(`[${JSON.stringify(results[0])},${bad}]`);
  const nested = `${"[".repeat(90)}${"]".repeat(90)}`;
  for (const [bad, reason] of [
    ['{"turn":3,"kind":"done","effects":[]}', "a result of another turn"],
    ['{"turn":2,"kind":"done","effects":[{"do":"dance"}]}', "an effect that is none of the known ones"],
    ['{"turn":2,"kind":"done","effects":[', "not JSON"],
    [
      `{"turn":2,"kind":"done","effects":[{"do":"write","key":"k","value":${nested}}]}`,
      "nested deeper than 77 levels",
    ],
    [
      '{"turn":2,"kind":"done","effects":[{"do":"write","key":"k","value":-0}]}',
      "an effect that is none of the known ones",
    ],
    [
      '{"turn":2,"kind":"done","effects":[{"do":"write","key":"k","value":1e999}]}',
      "an effect that is none of the known ones",
    ],
    [
      '{"turn":2,"kind":"done","effects":[{"do":"write","key":"k","value":{"__proto__":1}}]}',
      "an effect that is none of the known ones",
    ],
  ] as const) {
    const { results: told, invalid: why } = behind(bad);
    assert.equal(why, reason);
    // The one before is what it was.
    if (reason !== "not JSON") assert.deepEqual(told[0], results[0]);
  }
});

test("the effects of a long result are as long as they are, whatever the text is", () => {
  const result = writing(LONG, "ä", 1e20);
  const exact = Buffer.byteLength(JSON.stringify(result.kind === "done" && result.effects));
  const spaced = JSON.stringify([result])
    .replaceAll(",", " ,")
    .replace("ä", "\\u00e4")
    .replace(/1(0){20}/, "1e20");
  const atMost = (bytes: number): Judged => piece(spaced, [{ turn: 1 }], bytes);
  assert.equal(atMost(exact).invalid, undefined);
  assert.equal(atMost(exact - 1).invalid, `effects of ${exact} bytes, at most ${exact - 1}`);
  const text = JSON.stringify([writing("x".repeat(3_000_000))]);
  assert.match(piece(text, TURNS, 100_000).invalid ?? "", /a text of more than 2097152 bytes/);
});

test("a long text is judged in steps, however it is made", () => {
  const texts = [
    JSON.stringify([writing(LONG)]),
    JSON.stringify([writing(...LONG)]),
    TURNS.map(({ turn }) => JSON.stringify([{ ...writing(LONG.slice(0, 1_000)), turn }])).join("\n"),
    JSON.stringify([{ ...DONE, logs: LONG.map((n) => ({ level: "info", message: `${n}` })) }]),
  ];
  for (const text of texts) {
    let steps = 0;
    for (const _ of parsePiece(Buffer.from(text), TURNS, EFFECT_BYTES, undefined)) steps += 1;
    assert.ok(steps >= text.length / AT_ONCE_BYTES, `${steps} of ${text.length} bytes`);
  }
});
