import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJson } from "../src/parse-json.ts";

test("what a person typed is taken as it stands or refused with its place", () => {
  const parse = (text: string): unknown => parseJson(text, "The input", "vnes call a b '{}'");
  assert.deepEqual(parse('{"a":[1,-2.5,{"b":"\u00e9"}]}'), { a: [1, -2.5, { b: "\u00e9" }] });
  assert.deepEqual(parse("[".repeat(64) + "]".repeat(64)), JSON.parse("[".repeat(64) + "]".repeat(64)));
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['{"n":9007199254740993}', "JSON_NUMBER", /^The input has a number at \/n .*2\^53/],
    ['{"a":{"n":-0}}', "JSON_NUMBER", /at \/a\/n .*-0/],
    ['{"n":1,"n":2}', "JSON_DUPLICATE_KEY", /the key at \/n twice/],
    ['{"__proto__":1}', "JSON_FORBIDDEN_KEY", /at \/__proto__/],
    ['{"s":"\\ud800"}', "CLI_USAGE", /half a surrogate pair \(in \/s\)/],
    ['{"n":', "CLI_USAGE", /^The input is not JSON: a value was expected at line 1, column 6 \(in \/n\)/],
    ["", "CLI_USAGE", /a value was expected/],
  ];
  for (const [text, code, message] of refused) assert.throws(() => parse(text), { code, message }, text);
});
