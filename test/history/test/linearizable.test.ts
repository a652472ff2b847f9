/** H9 on hand-made histories, and against a checker that tries every order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkLinearizable, type Interval } from "../linearizable.ts";
import { checkRegisters, type Reading, type RegisterOp, registerModel } from "../register.ts";

type Told = RegisterOp["told"];
const set = (from: number, to: number | undefined, value: number): Interval<RegisterOp> => {
  const told: Told = to === undefined ? undefined : { value };
  return { operation: { key: "k", do: "set", value, told }, from, to };
};
const get = (from: number, to: number, value: number | null): Interval<RegisterOp> => {
  return { operation: { key: "k", do: "get", told: { value } }, from, to };
};
const kind = (history: readonly Interval<RegisterOp>[]): string =>
  checkLinearizable(registerModel, history).kind;

test("what happened one after the other must read what was written last (H9)", () => {
  assert.equal(kind([set(0, 1, 5), get(2, 3, 5), set(4, 5, 6), get(6, 7, 6)]), "linearizable");
  assert.equal(kind([set(0, 1, 5), set(2, 3, 6), get(4, 5, 5)]), "not linearizable");
  assert.equal(kind([set(0, 1, 5), get(2, 3, null)]), "not linearizable");
});

test("what happened at the same time may be seen in either order, and by everybody in the same (H9)", () => {
  assert.equal(kind([set(0, 9, 1), set(0, 9, 2), get(10, 11, 1)]), "linearizable");
  assert.equal(kind([set(0, 9, 1), set(0, 9, 2), get(10, 11, 2)]), "linearizable");
  assert.equal(kind([set(0, 9, 1), get(1, 2, 1), get(3, 4, null)]), "not linearizable");
});

test("what had no end may have happened, late, or never; a lost acknowledgement is found (H9)", () => {
  assert.equal(kind([set(0, undefined, 7), get(1, 2, null), get(3, 4, 7)]), "linearizable");
  assert.equal(kind([set(0, undefined, 7), get(1, 2, null)]), "linearizable");
  assert.equal(kind([set(0, undefined, 7), get(1, 2, 7), get(3, 4, null)]), "not linearizable");
  assert.equal(kind([set(0, 1, 7), get(2, 3, 7), get(4, 5, null)]), "not linearizable");
});

test("compare-and-set and add are held to what they answered (H9)", () => {
  const cas = (from: number, to: number, expected: number | null, swapped: boolean, told: number | null) =>
    ({
      operation: { key: "k", do: "cas", expected, value: 9, told: { value: told, swapped } },
      from,
      to,
    }) as const;
  const add = (from: number, to: number, told: number) =>
    ({ operation: { key: "k", do: "add", by: 1, told: { value: told } }, from, to }) as const;
  assert.equal(kind([add(0, 1, 1), add(2, 3, 2)]), "linearizable");
  assert.equal(kind([add(0, 9, 2), add(0, 9, 1)]), "linearizable");
  assert.equal(kind([add(0, 9, 1), add(0, 9, 1)]), "not linearizable", "a lost update");
  assert.equal(kind([cas(0, 9, null, true, 9), cas(0, 9, null, true, 9)]), "not linearizable", "both won");
  assert.equal(kind([cas(0, 9, null, true, 9), cas(0, 9, null, false, 9)]), "linearizable");
});

test("a history too wide to decide is said to be undecided", () => {
  const wide = Array.from({ length: 20 }, (_, n) => set(0, 100, n));
  assert.equal(checkLinearizable(registerModel, [...wide, get(200, 201, 99)], 1_000).kind, "undecided");
});

test("an error that says nothing was kept is no operation; one that does not may be either", () => {
  const readings = new Map<string, Reading>([
    ["r.set", { direct: true, read: () => ({ key: "k", do: "set", value: 3 }) }],
  ]);
  const refused = (code: string) => [
    {
      client: "a",
      name: "r.set",
      input: null,
      invokedAt: 0,
      end: { at: 1, answer: { ok: false as const, code, message: "" } },
    },
    {
      client: "a",
      name: "r.get",
      input: null,
      invokedAt: 2,
      end: { at: 3, answer: { ok: true as const, value: { value: 3 } } },
    },
  ];
  const all = new Map([
    ...readings,
    ["r.get", { direct: true, read: () => ({ key: "k", do: "get" }) }] as const,
  ]);
  assert.equal(checkRegisters(refused("CALL_TIMEOUT"), all).problems.length, 0);
  assert.equal(checkRegisters(refused("TURN_DEADLINE"), all).problems.length, 1);
});

/** Every order of every choice of the operations without an end: slow, and easy to believe. */
function dumb(history: readonly Interval<RegisterOp>[]): boolean {
  const search = (left: readonly Interval<RegisterOp>[], state: number | null): boolean => {
    if (left.every(({ to }) => to === undefined)) return true;
    return left.some((one) => {
      if (left.some((other) => other !== one && other.to !== undefined && other.to < one.from)) return false;
      const step = registerModel.apply(state, one.operation, one.to !== undefined);
      return (
        step.fits &&
        search(
          left.filter((other) => other !== one),
          step.state,
        )
      );
    });
  };
  return search(history, null);
}

test("the search agrees with one that tries every order (H9)", () => {
  const value = fc.integer({ min: 0, max: 2 });
  const maybe = fc.option(value);
  const op = fc.record({
    from: fc.nat(12),
    length: fc.option(fc.nat(6)),
    what: fc.nat(3),
    value,
    seen: maybe,
    swapped: fc.boolean(),
  });
  let bad = 0;
  fc.assert(
    fc.property(fc.array(op, { maxLength: 6 }), (drawn) => {
      const history = drawn.map(({ from, length, what, value, seen, swapped }): Interval<RegisterOp> => {
        const told = length === null ? undefined : { value: seen, swapped };
        const operation: RegisterOp =
          what === 0
            ? { key: "k", do: "get", told }
            : what === 1
              ? { key: "k", do: "set", value, told }
              : what === 2
                ? { key: "k", do: "add", by: value, told }
                : { key: "k", do: "cas", expected: seen, value, told };
        return { operation, from, to: length === null ? undefined : from + length };
      });
      const expected = dumb(history);
      if (!expected) bad++;
      assert.equal(kind(history) === "linearizable", expected);
    }),
    { numRuns: 500 },
  );
  assert.ok(bad > 20, "some of what was drawn is wrong");
});
