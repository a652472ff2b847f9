/** Work of V8 itself that does not stop at a deadline, as bodies of the handler of `t.go`: what ends it is the end of its host. */
export const UNSTOPPABLE: readonly (readonly [name: string, go: string])[] = [
  ["looks through a list without end", "return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);"],
  ["turns a list without end around", "Array.prototype.reverse.call({ length: 2 ** 53 - 1 }); return 1;"],
  [
    "multiplies numbers of millions of digits",
    "const a = (1n << 60000000n) - 1n; return Number((a * a) & 1n);",
  ],
  [
    "compiles an expression of twenty thousand classes",
    `return new RegExp("(?:" + "[\\\\p{L}\\\\p{N}]{0,9}".repeat(20000) + ")", "u").test("a".repeat(30));`,
  ],
  ["puts a text together without end", "return String.raw({ raw: { length: 2 ** 53 - 1 } }).length;"],
  [
    "looks for words in a text of two million letters",
    `return [...new Intl.Segmenter("th", { granularity: "word" }).segment("\\u0e01".repeat(2e6))].length;`,
  ],
  ["makes a text of half a gigabyte flat", `return /y/.test("x".repeat(2 ** 29 - 24));`],
  ["hands a hundred million arguments over", "return Math.max.apply(null, new Array(1e8));"],
];
