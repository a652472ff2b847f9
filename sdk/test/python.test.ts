/** The sdk of Python beside the one of TypeScript: the same requests, the same results, down to the numbers drawn. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { capsule, type Json, type Turn, type TurnRequest, type TurnResult } from "@vnes/sdk";
import { KeyTable } from "@vnes/sdk/testing";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const python = spawn("python3", ["-S", "-B", here("python-lab.py"), here("../python")], {
  stdio: ["pipe", "pipe", "inherit"],
});
const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
after(() => python.kill());

async function ask(line: object): Promise<TurnResult> {
  python.stdin.write(`${JSON.stringify(line)}\n`);
  const { value, done } = await answers.next();
  assert.notEqual(done, true, "python3 is gone");
  return JSON.parse(value as string) as TurnResult;
}

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

const typescript = capsule({
  calls: {
    "lab.steps": (turn, input) => (input as unknown as readonly Step[]).map((one) => step(turn, one)),
  },
});

let turns = 0;
function request(steps: readonly Step[], seed: string): TurnRequest {
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

const copied = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** Code points of each kind: sorting differs from Python's own where a pair of surrogates meets what lies above them. */
const key = fc.constantFrom("a", "a/", "a/1", "a/10", "b/\u{1f600}", "b/\uffee", "b/é", "b/z", "10", "9");
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 4, noUnicodeString: false }) as fc.Arbitrary<Json>,
  fc.dictionary(key, fc.integer()),
  fc.constantFrom(2 ** 53, -(2 ** 53), 1e300, 1.5, 0.1, 2 ** 53 - 1, "", "\ud800"),
);
const options = fc.oneof(
  fc.constant({}),
  fc.record(
    { expect: fc.constantFrom(null, 1, 7, 0), ttlMs: fc.constantFrom(1, 60_000, 0, 1.5) },
    { requiredKeys: [] },
  ),
);
const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom("get", "delete", "version"), key),
  fc.tuple(fc.constant("entries"), fc.constantFrom("", "a", "a/", "b/", "1")),
  fc.tuple(fc.constant("set"), key, value, options as unknown as fc.Arbitrary<Json>),
  fc.tuple(fc.constant("publish"), key, value),
  fc.tuple(fc.constant("log"), key, value),
  fc.tuple(fc.constant("timer"), key, fc.constantFrom(5, 0.5, 2 ** 53, 3)),
  fc.tuple(fc.constantFrom("random")),
  fc.tuple(fc.constant("id"), key),
) as unknown as fc.Arbitrary<Step>;
const hex = fc.array(fc.constantFrom(...Array.from({ length: 16 }, (_, digit) => digit.toString(16))), {
  minLength: 16,
  maxLength: 16,
});
const aTurn = fc.record({
  steps: fc.array(aStep, { maxLength: 6 }),
  seed: hex.map((digits) => digits.join("")),
  forgets: fc.boolean(),
});

/** Names of types and numbers are each language's own. */
function comparable(result: TurnResult): TurnResult {
  if (result.kind !== "failed") return result;
  return { ...result, message: result.message.replace(/: [^:]*$/, "") };
}

test("the same turns have the same effects, keys asked for, numbers, ids and failures in both", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aTurn, { maxLength: 8 }), async (script) => {
      const keys = new KeyTable();
      typescript.reset();
      await ask({ reset: true });
      for (const { steps, seed, forgets } of script) {
        if (forgets) await ask({ reset: true });
        if (forgets) typescript.reset();
        let asked = copied(request(steps, seed));
        for (;;) {
          const ours = copied(typescript.deliver(copied(asked)));
          const theirs = await ask(asked);
          assert.deepEqual(comparable(theirs), comparable(ours));
          if (ours.kind === "done") keys.apply(ours.effects);
          if (ours.kind !== "needKeys") break;
          asked = copied(keys.serve(asked, ours));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("a seed gives the numbers and ids that it gives in TypeScript", async () => {
  const steps: Step[] = [["id", "evt"], ["random"], ["id", "evt"], ["random"]];
  for (const seed of ["0000000000000000", "ffffffffffffffff", "0123456789abcdef", "80000000fffffff1"]) {
    const asked = request(steps, seed);
    assert.deepEqual(await ask(asked), copied(typescript.deliver(asked)));
  }
});
