import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileLinearRegExp } from "../src/linear-regexp.ts";

/** Patterns over few letters, so that texts over the same letters meet every path. */
const pattern: fc.Arbitrary<string> = fc
  .letrec<{ atom: string; piece: string; sequence: string; choice: string }>((tie) => ({
    atom: fc.oneof(
      { maxDepth: 2, depthIdentifier: "group" },
      fc.constantFrom("a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "\\d", "\\W", "\\n", "é", "\\u{1F600}"),
      tie("choice").map((inner) => `(${inner})`),
      tie("choice").map((inner) => `(?:${inner})`),
    ),
    piece: fc
      .tuple(
        tie("atom"),
        fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}", "*?", "+?"),
      )
      .map(([atom, repeat]) => `${atom}${repeat}`),
    sequence: fc
      .tuple(
        fc.constantFrom("", "", "^"),
        fc.array(tie("piece"), { maxLength: 4 }).map((parts) => parts.join("")),
        fc.constantFrom("", "", "$"),
      )
      .map((parts) => parts.join("")),
    choice: fc.array(tie("sequence"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("|")),
  }))
  .choice.filter((one) => one.length <= 60);
const text = fc
  .array(fc.constantFrom("a", "b", "c", "1", "\n", "é", "😀", "-"), { maxLength: 7 })
  .map((all) => all.join(""));

test("a pattern matches exactly what the engine of JavaScript matches", () => {
  let matched = 0;
  let not = 0;
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 6 }), (source, texts) => {
      const linear = compileLinearRegExp(source);
      const native = new RegExp(source, "u");
      for (const one of texts) {
        const expected = native.test(one);
        if (expected) matched++;
        else not++;
        assert.equal(linear.test(one), expected, `/${source}/u on ${JSON.stringify(one)}`);
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(matched > 500 && not > 500, `one-sided: ${matched} matches, ${not} others`);
});

test("patterns that blow up a backtracking engine stay linear, with the table flushed on the way", () => {
  for (const evil of [
    "^(a|a)*$",
    "^((a*))*$",
    "^(a+)+$",
    "(a*)*(a*)*(a*)*b",
    "^(.*a){12}$",
    "a{0,300}a{300}",
  ]) {
    const linear = compileLinearRegExp(evil);
    const started = performance.now();
    linear.test(`${"a".repeat(20_000)}!`);
    // Bounded by the length of the text: the first takes a backtracking engine longer than the sun has left.
    assert.ok(performance.now() - started < 5000, evil);
  }
  const flushed = compileLinearRegExp("(a|b)*a(a|b){12}$");
  const native = /(a|b)*a(a|b){12}$/u;
  let seed = 7;
  for (let run = 0; run < 40; run++) {
    let sample = "";
    for (let index = 0; index < 200; index++) {
      seed = (seed * 48271) % 2147483647;
      sample += seed % 2 === 0 ? "a" : "b";
    }
    assert.equal(flushed.test(sample), native.test(sample));
  }
});

test("what an automaton cannot match, or only with too many states, is refused when compiled", () => {
  const refused = [
    "(a)\\1",
    "(?=a)",
    "(?<!a)b",
    "(?<n>a)",
    "\\bword",
    "\\p{L}",
    "a{5000}",
    "(a{100}){100}",
    "(",
    "[z-a]",
  ];
  for (const one of [...refused, "(".repeat(40) + ")".repeat(40), "a".repeat(2000)]) {
    assert.throws(() => compileLinearRegExp(one), Error, one);
  }
});
