/** An event that is tried again, and what comes between its tries. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { capsule, type Turn } from "@vnes/sdk";
import { manifestOf, type TestCapsule } from "../harness/node-harness.ts";
import { noted, noter, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics } from "../harness/topic-harness.ts";

const ID = "test.sum";
/** Longer than the pause before a second try. */
const RETRY_MS = 150;
/** Of a round: what is behind the one that fails waits with it. */
const EVENTS = 3;
const METHOD = { type: "object" };

/** Adds one for each call and each event; the first try of the first event of a round fails, after which its sandbox knows no key any more. */
function sum(): TestCapsule {
  const add = (turn: Turn): number => {
    const count = ((turn.keys.get("count") as number | undefined) ?? 0) + 1;
    turn.keys.set("count", count);
    return count;
  };
  const tried = new Set<unknown>();
  return {
    manifest: manifestOf(ID, {
      capabilities: { provides: [ID], determinism_tier: "NX_experimental" },
      bus: { subscribes: [{ topic: TOPIC, retries: 3 }] },
      state: { owns: ["count"] },
    }),
    spec: { "spec/schema.json": { $defs: { [`${ID}.add.input`]: METHOD } } },
    bundle: () =>
      capsule({
        calls: { [`${ID}.add`]: (turn) => add(turn) },
        events: {
          [TOPIC]: (turn, event) => {
            const { n } = event as { n: number };
            if (n % EVENTS === 0 && !tried.has(n)) {
              tried.add(n);
              throw new Error("not yet");
            }
            add(turn);
          },
        },
      }),
  };
}

test("what an event that is tried again was given of its keys is not served after a turn that wrote them (KY2)", async () => {
  const node = await bootTopics([noter(noted({ partition: { count: 1 } })), sum()]);
  const add = async (): Promise<unknown> => ((await node.ask(ID, "add", {})) as { value: number }).value;
  const rounds = 80;
  const ticks = async (count: number): Promise<void> => {
    for (let tick = 0; tick < count; tick++) await Promise.resolve();
  };
  for (let round = 0; round < rounds; round++) {
    await node.notes(EVENTS, round * EVENTS);
    // The call comes at each moment of the next try: so many ticks before it is due, or behind it.
    const early = round - rounds / 2;
    if (early < 0) node.clock.advance(RETRY_MS);
    await ticks(-early);
    const answer = add();
    await ticks(early);
    if (early >= 0) node.clock.advance(RETRY_MS);
    await node.settle();
    const before = round * (EVENTS + 1);
    const seen = Number(await answer);
    assert.ok(seen > before && seen <= before + EVENTS + 1, `${seen} in round ${round}`);
  }
  assert.equal(await add(), rounds * (EVENTS + 1) + 1);
  await node.close();
});
