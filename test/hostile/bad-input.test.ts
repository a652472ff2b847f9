/** The list of what has to be tried, and the table of what is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTACKS } from "./attacks/all.ts";
import { BAD_INPUT } from "./bad-input.ts";

const names = ATTACKS.map(({ language, name }) => `${language} ${name}`);

test("no two attacks have one name", () => {
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

for (const [kind, attacks] of Object.entries(BAD_INPUT)) {
  test(`${kind}: is among the attacks`, () => {
    assert.ok(attacks.length > 0);
    assert.deepEqual(
      attacks.filter((name) => !names.includes(name)),
      [],
    );
  });
}

test("each attack has to end in a named way", () => {
  for (const { name, ends } of ATTACKS) {
    assert.ok(ends.length > 0, name);
    for (const end of ends) assert.match(end, /^(?:done|[A-Z]+(?:_[A-Z]+)+)$/, name);
  }
});
