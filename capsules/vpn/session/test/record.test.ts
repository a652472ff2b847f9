/** What is kept of a session comes back as it was, and is small; places are given, ended and given again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { REJECTION_REASONS, type RejectionReason, type Session, type State } from "@vnes/vpn-common";
import { KeyTable } from "@vnes/sdk/testing";
import type { Json, Keys } from "@vnes/sdk";
import fc from "fast-check";
import { RECORDED_ANSWERS, recall } from "../src/nonces.ts";
import { outcomeAt } from "../src/outcome.ts";
import { behindPlace, endPlace, idAt, loadPlaces, placeOf, takePlace } from "../src/places.ts";
import {
  ANSWER,
  type Kept,
  packAnswer,
  packAnswers,
  packRecord,
  unpackAnswer,
  unpackRecord,
} from "../src/record.ts";

const BORN = 1_790_000_000_000;
const OWNER = `${"k".repeat(43)}=`;

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 64 });
const time = fc.integer({ min: BORN, max: BORN + 2_592_000_000 });
const binding = fc.record({ channelId: text, pathId: text, at: time });
const session: fc.Arbitrary<Session> = fc.record({
  id: fc.integer({ min: 0, max: 999_999 }).map((place) => idAt(place, "ses_0123456789abcdefghjk")),
  owner: fc.constant(OWNER),
  policy: fc.record({
    sessionTtlMs: fc.integer({ min: 1_000, max: 2_592_000_000 }),
    transportLossTtlMs: fc.integer({ min: 100, max: 86_400_000 }),
    maxSwitchesPerMinute: fc.integer({ min: 1, max: 600 }),
  }),
  createdAt: fc.constant(BORN),
  state: fc.constantFrom<State>("BIRTH", "ATTACHED", "VOLATILE", "DEGRADED", "RECOVERING", "TERMINATED"),
  version: fc.integer({ min: 1, max: 2 ** 40 }),
  epoch: fc.integer({ min: 0, max: 2 ** 40 }),
  binding: fc.option(binding),
  lossSince: fc.option(time),
  switches: fc.array(time, { maxLength: 40 }),
  reason: fc.constantFrom("CREATED", "REATTACHED", "PATH_SILENT"),
  changedAt: time,
});
const answers = fc.array(
  fc.record({
    nonce: fc.stringMatching(/^[A-Za-z0-9_-]{8,64}$/),
    reason: fc.constantFrom(...(Object.keys(REJECTION_REASONS) as RejectionReason[])),
    channelId: fc.option(text),
    previousChannelId: fc.option(text),
    retryAfterMs: fc.option(fc.nat()),
    bound: fc.option(fc.record({ bound: text, limit: fc.nat(), value: fc.nat(), unit: text })),
  }),
  { maxLength: RECORDED_ANSWERS },
);

function answersIn({ answers }: Kept): readonly string[] {
  return answers.split(ANSWER).slice(1);
}

test("a record comes back as it was, whatever a session holds", () => {
  fc.assert(
    fc.property(session, fc.option(time), answers, (one, wakeAt, given) => {
      const told = given.map(({ nonce, reason, ...more }) => {
        const answer = {
          ...outcomeAt({ ...one, state: "ATTACHED" }, "rejected", reason, "reattach"),
          ...more,
        };
        return { nonce, answer };
      });
      const kept: Kept = { session: one, wakeAt, answers: packAnswers(told.map(packAnswer)) };
      const packed = packRecord(kept);
      assert.deepEqual(unpackRecord(packed), JSON.parse(JSON.stringify(kept)));
      assert.deepEqual(
        answersIn(unpackRecord(packed)).map((answer) => unpackAnswer(answer, one.id)),
        JSON.parse(JSON.stringify(told)),
      );
      const before = told.map((answer) => `|${packAnswer(answer)}`).join("");
      const second = packRecord({ ...kept, answers: "" }) + before;
      assert.deepEqual(unpackRecord(second), unpackRecord(packed), "as the second version kept it");
      assert.equal(JSON.stringify(packed).length, packed.length + 2, "it is escaped where it is kept");
    }),
    { numRuns: 300 },
  );
});

test("a record of the first version, JSON in a text, is read as what it says and kept in the new form", () => {
  const old = JSON.stringify([
    "ses_0000j0123456789abcde",
    OWNER,
    [60_000, 5_000, 30],
    BORN,
    "ATTACHED",
    3,
    2,
    ["chn_1", 'wi-fi "5|6, 7"', 10],
    null,
    [7, 0],
    "REATTACHED",
    12,
    60_000,
    ["nre_12345678", 1, "REATTACHED", "reattach", "ATTACHED", 3, 2, "chn_1", null, ["b", 30, 2, "switches"]],
    ["nre_87654321", 0, "EPOCH_STALE", "reattach", "ATTACHED", 3, 2],
  ]);
  const kept = unpackRecord(old);
  assert.deepEqual(unpackRecord(packRecord(kept)), kept);
  const { session: one, wakeAt, answers } = kept;
  assert.deepEqual(one.binding, { channelId: "chn_1", pathId: 'wi-fi "5|6, 7"', at: BORN + 10 });
  assert.deepEqual([one.switches, one.changedAt, wakeAt], [[BORN + 5, BORN + 12], BORN + 12, BORN + 60_000]);
  assert.deepEqual(recall(answers, one.id, "nre_12345678"), {
    ...outcomeAt(one, "accepted", "REATTACHED", "reattach"),
    channelId: "chn_1",
    bound: { bound: "b", limit: 30, value: 2, unit: "switches" },
    repeated: true,
  });
  assert.equal(recall(answers, one.id, "nre_87654321")?.reason, "EPOCH_STALE");
  assert.equal(recall(answers, one.id, "nre_8765432"), undefined);
});

test("with every answer it remembers and the identifiers that clients and transports really make, it is below 1 KB", () => {
  const id = idAt(999_999, "ses_0123456789abcdefghjk");
  const channel = (n: number): string => `chn_${String(n).padStart(20, "0")}`;
  const one: Session = {
    id,
    owner: OWNER,
    policy: { sessionTtlMs: 86_400_000, transportLossTtlMs: 60_000, maxSwitchesPerMinute: 30 },
    createdAt: BORN,
    state: "ATTACHED",
    version: 1_234,
    epoch: 567,
    binding: { channelId: channel(9), pathId: "wifi", at: BORN + 80_000_000 },
    lossSince: null,
    switches: [1, 2, 3].map((n) => BORN + 80_000_000 - n * 10_000),
    reason: "REATTACHED",
    changedAt: BORN + 80_000_000,
  };
  const given = Array.from({ length: RECORDED_ANSWERS }, (_, n) => ({
    nonce: `non_${String(n).padStart(20, "0")}`,
    answer: {
      ...outcomeAt(one, "accepted", "REATTACHED", "reattach"),
      channelId: channel(n + 1),
      previousChannelId: channel(n),
      bound: { bound: "policy.maxSwitchesPerMinute", limit: 30, value: 3, unit: "switches" },
    },
  }));
  const length = JSON.stringify(
    packRecord({ session: one, wakeAt: BORN + 86_400_000, answers: packAnswers(given.map(packAnswer)) }),
  ).length;
  assert.ok(length <= 1_024, `${length} bytes`);
});

/** Keys as a turn has them, with nothing around. */
function keysOf(table: KeyTable): Keys {
  return {
    get: (key) => table.values.get(key),
    getAll: (keys) => keys.map((key) => table.values.get(key)),
    set: (key, value: Json) => void table.values.set(key, value),
    delete: (key) => void table.values.delete(key),
    version: () => null,
    entries: () => assert.fail("a range of keys is read"),
  };
}

test("a place is one session's at a time; the ended are let go of in their order; nothing is left behind", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 9 }), { maxLength: 120 }),
      fc.integer({ min: 1, max: 4 }),
      (steps, most) => {
        const table = new KeyTable();
        const keys = keysOf(table);
        const live: number[] = [];
        const ended: number[] = [];
        for (const step of steps) {
          const leaving = live[step];
          if (leaving === undefined) {
            const place = takePlace(keys);
            assert.ok(!live.includes(place) && !ended.includes(place), "a place was given twice");
            live.push(place);
            continue;
          }
          live.splice(step, 1);
          ended.push(leaving);
          assert.equal(endPlace(keys, leaving, most), ended.length > most ? ended.shift() : undefined);
        }
        const { used, free, live: counted, endFirst, endNext } = loadPlaces(keys);
        assert.deepEqual([counted, endNext - endFirst], [live.length, ended.length]);
        assert.equal(used, live.length + ended.length + free);
        assert.equal([...table.values.keys()].filter((key) => key !== "places").length, free + ended.length);
      },
    ),
  );
});

test("ids sort as their places do, and what ends a page sorts behind every id of its place", () => {
  fc.assert(
    fc.property(fc.nat({ max: 1_000_000 }), fc.stringMatching(/^ses_[a-z0-9]{20}$/), (place, random) => {
      const id = idAt(place, random);
      assert.equal(placeOf(id), place);
      assert.ok(id <= behindPlace(place) && behindPlace(place) < idAt(place + 1, random));
      assert.match(id, /^ses_[A-Za-z0-9]{8,40}$/);
      assert.equal(id.length, 24);
    }),
  );
  assert.equal(placeOf("ses_ABC"), undefined);
});
