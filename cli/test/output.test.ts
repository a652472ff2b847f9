import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Output } from "../src/output/output.ts";
import {
  duration,
  harmless,
  harmlessJson,
  instant,
  jsonText,
  onlyColours,
  keyWord,
  table,
} from "../src/output/text.ts";
import { homePaths, nodePaths } from "../src/paths.ts";
import { nearest } from "../src/usage.ts";

test("nothing from outside can move a terminal's cursor", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const shown = table([{ text }], [{ title: "t", value: (row) => row.text }]);
      const [, ...rest] = shown.split("\n");
      assert.equal(rest.length, 1);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      assert.doesNotMatch(harmless(text), /[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});

/** Of control characters, of directions of writing, and what is around them. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(...Array.from("\u001b[2J\u009b\u202e\u2067\u200f\u2028\r\n\\\"a'; $")),
      fc.string({ unit: "binary" }),
    ),
  )
  .map((parts) => parts.join(""));
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
const MOVES = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

test("a value that is shown as JSON moves no terminal either, and stays the same JSON", () => {
  fc.assert(
    fc.property(fc.dictionary(hostile, hostile), (value) => {
      const text = jsonText(value);
      assert.doesNotMatch(text, MOVES);
      assert.equal(JSON.stringify(JSON.parse(text)), JSON.stringify(value));
      assert.doesNotMatch(harmlessJson(JSON.stringify(value)), MOVES);
    }),
  );
});

test("whatever a command says, its last look leaves lines and colours and nothing else", () => {
  assert.equal(onlyColours("\u001b[31mred\u001b[39m\n\u001b[2J"), "\u001b[31mred\u001b[39m\n\\u001b[2J");
  const said: string[] = [];
  const push = (text: string): void => void said.push(text);
  const output = new Output({ stdout: push, stderr: push, stdoutColour: false, stderrColour: false });
  for (const json of [false, true]) {
    output.json = json;
    output.data("vnes.test.v1", { text: "\u009b2J" }, "\u009b2J");
    output.problem({ text: "\u202e" }, "\u202e");
    output.say("\u001b]0;title\u0007");
  }
  assert.equal(said.length, 5);
  for (const text of said) assert.doesNotMatch(text, MOVES);
});

test("a key in a command that is offered for the next step is one word of it", () => {
  assert.equal(keyWord("a/b-1"), "a/b-1");
  assert.equal(keyWord("$(reboot)"), "'$(reboot)'");
  assert.equal(keyWord("it's\nnext: reboot"), "'it'\\''s\\u000anext: reboot'");
  assert.equal(keyWord(7), "7");
});

test("a slip of a key finds its word, another word does not", () => {
  const words = ["status", "session", "capsule", "boot"];
  assert.equal(nearest("statsu", words), "status");
  assert.equal(nearest("bot", words), "boot");
  assert.equal(nearest("frobnicate", words), undefined);
  assert.equal(nearest("release", ["list", "show", "delete"]), undefined);
});

test("a time that is none is told as a number, and ends no command", () => {
  assert.equal(instant(0), "1970-01-01T00:00:00.000Z");
  assert.equal(instant(9_007_199_254_740_991), "9007199254740991 ms");
});

test("durations read as people say them", () => {
  assert.deepEqual([12.4, 1500, 61_000, 7_500_000, 200_000_000].map(duration), [
    "12 ms",
    "1.5 s",
    "1 min",
    "2 h 5 min",
    "2 d",
  ]);
});

test("VNES_HOME holds everything; without it the XDG directories, relative ones ignored", () => {
  const none = {
    home: "/h",
    vnesHome: undefined,
    xdgConfig: undefined,
    xdgData: undefined,
    xdgCache: undefined,
  };
  assert.equal(homePaths(none, undefined).configDir, "/h/.config/vnes");
  assert.equal(homePaths({ ...none, xdgData: "/x" }, undefined).dataDir, "/x/vnes");
  assert.equal(homePaths({ ...none, xdgData: "x" }, undefined).dataDir, "/h/.local/share/vnes");
  const one = homePaths({ ...none, vnesHome: "/v" }, undefined);
  assert.deepEqual([one.configDir, one.dataDir], ["/v/config", "/v/data"]);
  assert.equal(homePaths({ ...none, vnesHome: "/v" }, "/flag").dataDir, "/flag/data");
  assert.equal(nodePaths(one, "local", undefined).controlSocket, "/v/data/nodes/local/control.sock");
});
