/** Turns of a scripted capsule, made at random, and the capsule of the TypeScript sdk that another language's is held against. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Capsule, capsule, type Json, type Turn, type TurnRequest, type TurnResult } from "@vnes/sdk";
import { KeyTable } from "@vnes/sdk/testing";

type Step = readonly [what: string, ...given: Json[]];
const ABSENT = "(none)";

function step(turn: Turn, [what, a, b, c]: Step): Json {
  const name = a as string;
  switch (what) {
    case "get":
      return turn.keys.get(name) ?? ABSENT;
    case "version":
      return turn.keys.version(name);
    case "entries":
      return turn.keys.entries(name) as unknown as Json;
    case "random":
      return turn.random();
    case "id":
      return turn.id(name);
    case "delete":
      turn.keys.delete(name);
      return null;
    case "set":
      turn.keys.set(name, b as Json, c as object);
      return null;
    case "publish":
      turn.publish("t", name, b as Json);
      return null;
    case "log":
      turn.log("info", name, b as Json);
      return null;
    case "timer":
      turn.setTimer(name, b as number);
      return null;
    default:
      throw new Error(what);
  }
}

const typescript: Capsule = capsule({
  calls: {
    "lab.steps": (turn, input) => (input as unknown as readonly Step[]).map((one) => step(turn, one)),
  },
});

let turns = 0;

function requestOf(steps: readonly Step[], seed: string): TurnRequest {
  const turn = ++turns;
  const delivery = {
    kind: "call",
    callId: `c${turn}`,
    capability: "lab",
    method: "steps",
    input: steps as unknown as Json,
    caller: "x",
    deadlineAt: 0,
  } as const;
  return { turn, at: 1_000, seed, delivery };
}

/** What differs by language: how its half of the lab is spoken to, and what it cannot say. */
export interface OtherLanguage {
  deliver(request: TurnRequest): Promise<TurnResult>;
  reset(): Promise<void>;
  /** Steps that mean something in it. */
  readonly steps: fc.Arbitrary<Step>;
}

/** Code points of each kind: UTF-16 sorts a pair of surrogates before what lies above them, and few others do. */
const key: fc.Arbitrary<string> = fc.constantFrom(
  ...["a", "a/", "a/1", "a/10", "b/\u{1f600}", "b/\uffee", "b/é", "b/z", "10", "9"],
);
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 4, noUnicodeString: false }) as fc.Arbitrary<Json>,
  fc.dictionary(key, fc.integer()),
  fc.constantFrom(2 ** 53, -(2 ** 53), 1e300, 1.5, 0.1, 2 ** 53 - 1, "", "\ud800"),
);
const asked = [
  fc.tuple(fc.constantFrom("get", "delete", "version"), key),
  fc.tuple(fc.constant("entries"), fc.constantFrom("", "a", "a/", "b/", "1")),
  fc.tuple(fc.constant("publish"), key, value),
  fc.tuple(fc.constant("log"), key, value),
  fc.tuple(fc.constantFrom("random")),
  fc.tuple(fc.constant("id"), key),
];

/** `expects` and `ttls` are the values of those options that the language can name, `times` those of a timer. */
export function stepsOf(
  expects: readonly (number | null)[],
  ttls: readonly number[],
  times: readonly number[],
): fc.Arbitrary<Step> {
  const options = fc.oneof(
    fc.constant({}),
    fc.record({ expect: fc.constantFrom(...expects), ttlMs: fc.constantFrom(...ttls) }, { requiredKeys: [] }),
  );
  return fc.oneof(
    ...asked,
    fc.tuple(fc.constant("set"), key, value, options),
    fc.tuple(fc.constant("timer"), key, fc.constantFrom(...times)),
  ) as unknown as fc.Arbitrary<Step>;
}

const hex = fc.array(fc.constantFrom(...Array.from({ length: 16 }, (_, digit) => digit.toString(16))), {
  minLength: 16,
  maxLength: 16,
});

const copied = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** Names of types and numbers are each language's own, and so are lines of its source. */
function comparable(result: TurnResult): TurnResult {
  if (result.kind !== "failed") return result;
  const { place: _, ...failed } = result;
  return { ...failed, message: "" };
}

/** The same turns have the same effects, keys asked for, numbers, ids and codes in both. */
export async function assertAlike({ deliver, reset, steps }: OtherLanguage, runs: number): Promise<void> {
  const turn = fc.record({
    steps: fc.array(steps, { maxLength: 6 }),
    seed: hex.map((digits) => digits.join("")),
    forgets: fc.boolean(),
  });
  const property = fc.asyncProperty(fc.array(turn, { maxLength: 8 }), async (script) => {
    const keys = new KeyTable();
    typescript.reset();
    await reset();
    for (const { steps: given, seed, forgets } of script) {
      if (forgets) await reset();
      if (forgets) typescript.reset();
      let request = copied(requestOf(given, seed));
      for (;;) {
        const ours = copied(typescript.deliver(copied(request)));
        const theirs = await deliver(request);
        assert.deepEqual(comparable(theirs), comparable(ours));
        if (ours.kind === "done") keys.apply(ours.effects);
        if (ours.kind !== "needKeys") break;
        request = copied(keys.serve(request, ours));
      }
    }
  });
  await fc.assert(property, { numRuns: runs });
}

/** What chance meets too seldom: a seed's numbers and ids, the order of keys, a second expectation of one key. */
export async function assertSameScripts({ deliver, reset }: OtherLanguage): Promise<void> {
  const keys = ["b/\u{1f600}", "b/\uffee", "b/z", "b/", "b/\ud7ff", "b/\ue000", "b/é"];
  const given = { keys: [["k", 1, 7] as const], ranges: ["b/"] };
  const scripts: readonly (readonly Step[])[] = [
    [["id", "evt"], ["random"], ["id", "evt"], ["random"]],
    [...keys.map((key): Step => ["set", key, key, {}]), ["entries", "b/"]],
    [
      ["entries", "b/"],
      ["delete", "b/z"],
      ["entries", "b/"],
    ],
    [
      ["set", "k", 1, { expect: 7 }],
      ["set", "k", 2, {}],
      ["delete", "k"],
    ],
    [
      ["set", "k", 1, { expect: 7, ttlMs: 5 }],
      ["set", "k", 2, { expect: 7 }],
    ],
    [
      ["set", "k", 1, { expect: 7 }],
      ["set", "k", 2, { expect: null }],
    ],
    [
      ["set", "k", 1, {}],
      ["version", "k"],
    ],
  ];
  await reset();
  typescript.reset();
  for (const seed of ["0000000000000000", "ffffffffffffffff", "0123456789abcdef", "80000000fffffff1"]) {
    for (const steps of scripts) {
      const request = { ...requestOf(steps, seed), ...given };
      assert.deepEqual(comparable(await deliver(request)), copied(comparable(typescript.deliver(request))));
    }
  }
}
