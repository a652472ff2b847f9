import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatEffectId } from "../../src/ledger/effect-id.ts";
import { Outbox, type OutboxEntry } from "../../src/ledger/outbox.ts";

const entry = (seq: number, index: number): OutboxEntry => ({
  id: { shard: "a/0", seq, index },
  at: 0,
  depth: 0,
  effect: { do: "publish", topic: "x.v1", key: "k", event: null },
});

type Step =
  | { readonly do: "record"; readonly effects: number }
  | { readonly do: "confirm"; readonly pick: number }
  | { readonly do: "confirmUpTo"; readonly back: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("record" as const), effects: fc.nat({ max: 4 }) }) },
  // Enough at once for confirmed places to be cleared away.
  { weight: 1, arbitrary: fc.record({ do: fc.constant("record" as const), effects: fc.nat({ max: 900 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("confirm" as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("confirmUpTo" as const), back: fc.nat({ max: 20 }) }) },
);

test("an outbox is what a map by effect id in the order of asking would be (O1, O2)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const outbox = new Outbox();
      const model = new Map<string, OutboxEntry>();
      let seq = 0;
      for (const one of steps) {
        if (one.do === "record") {
          seq++;
          for (let index = 0; index < one.effects; index++) {
            outbox.add(entry(seq, index));
            model.set(formatEffectId(entry(seq, index).id), entry(seq, index));
          }
        } else if (one.do === "confirm") {
          const id = [...model.values()][one.pick % (model.size + 1)]?.id ?? { shard: "a/0", seq, index: 9 };
          outbox.confirm(id);
          outbox.confirm(id);
          model.delete(formatEffectId(id));
        } else {
          outbox.confirmUpTo(seq - one.back);
          for (const [id, kept] of model) if (kept.id.seq <= seq - one.back) model.delete(id);
        }
        assert.deepEqual([...outbox], [...model]);
        assert.equal(outbox.size, model.size);
        assert.deepEqual(outbox.first, [...model.values()][0]);
        const of = seq - (seq % 3);
        assert.deepEqual(
          outbox.of(of),
          [...model.values()].filter(({ id }) => id.seq === of),
        );
        assert.deepEqual(
          outbox.of(of, of + 3),
          [...model.values()].filter(({ id }) => id.seq >= of && id.seq <= of + 3),
        );
      }
    }),
    { numRuns: 20 },
  );
});

test("an entry that is never confirmed stays first, and those behind it come and go (O3)", () => {
  const outbox = new Outbox();
  outbox.add(entry(1, 0));
  for (let seq = 2; seq <= 20_000; seq++) {
    outbox.add(entry(seq, 0));
    outbox.confirm({ seq, index: 0 });
    assert.equal(outbox.first?.id.seq, 1);
    assert.equal(outbox.of(seq).length, 0);
  }
  assert.deepEqual(outbox.values(), [entry(1, 0)]);
  outbox.confirm({ seq: 1, index: 0 });
  assert.equal(outbox.first, undefined);
});

test("an entry out of order is a fault of the program, not of the ledger", () => {
  const outbox = new Outbox();
  outbox.add(entry(2, 1));
  assert.throws(() => outbox.add(entry(2, 1)), /in order/);
  assert.throws(() => outbox.add(entry(2, 0)), /in order/);
});

test("a frozen outbox is what it was, whatever is added and confirmed since, and is the same when it is loaded", () => {
  const outbox = new Outbox();
  for (let seq = 1; seq <= 30; seq++) for (let index = 0; index < 12; index++) outbox.add(entry(seq, index));
  for (let seq = 1; seq <= 30; seq += 2) outbox.confirm({ seq, index: 3 });
  const before = [...outbox];
  const frozen = outbox.freeze();
  outbox.confirmUpTo(20);
  outbox.add(entry(31, 0));
  const names = [...new Set([...outbox.keys(), ...frozen.changed()])].sort();
  const loaded = new Outbox();
  for (const name of names) {
    const value = frozen.at(name);
    if (value !== undefined) loaded.load(name, value);
  }
  loaded.sortLoaded();
  assert.equal(frozen.entries, before.length);
  assert.deepEqual([...loaded], before);
  assert.equal(frozen.at("a/0:1:3"), undefined);
  assert.equal(frozen.at("nonsense"), undefined);
});
