/** The pieces of the control socket that are pure enough to be tried a thousand times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EXIT_CODES } from "@vnes/schemas";
import fc from "fast-check";
import { fromFailure, toFailure } from "../src/control/failure.ts";
import { LineReader } from "../src/control/lines.ts";
import { cliErrors } from "../src/errors.ts";

test("lines are the same however the bytes were cut", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ unit: "grapheme", maxLength: 20 }).filter((line) => !line.includes("\n")),
        { maxLength: 20 },
      ),
      fc.array(fc.nat(40), { maxLength: 40 }),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const reader = new LineReader(1000);
        const got: string[] = [];
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          const to = Math.min(bytes.length, from + cut);
          got.push(...(reader.push(bytes.subarray(from, to)) ?? []));
          from = to;
        }
        assert.deepEqual(got, lines);
      },
    ),
  );
});

test("a line longer than the bound is refused, one of exactly the bound is not", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.boolean(), (limit, over) => {
      const reader = new LineReader(limit);
      const line = "x".repeat(limit + (over ? 1 : 0));
      const half = Math.floor(line.length / 2);
      const first = reader.push(Buffer.from(line.slice(0, half)));
      const second = reader.push(Buffer.from(`${line.slice(half)}\n`));
      if (over) assert.equal(second, undefined);
      else assert.deepEqual([first, second], [[], [line]]);
    }),
  );
});

test("an error crosses the socket with its text, braces and all", () => {
  const error = cliErrors.create("CLI_USAGE", { problem: "a {problem} {next}", next: "{x}" });
  const back = fromFailure(JSON.parse(JSON.stringify(toFailure(error))) as ReturnType<typeof toFailure>);
  assert.deepEqual(
    [back.code, back.message, back.remedy, EXIT_CODES[back.exit]],
    [error.code, error.message, error.remedy, 2],
  );
});
