import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LedgerMemory } from "@vnes/driver-memory";
import { decodeRecord, type TurnRecord } from "../../src/ledger/record.ts";
import { sizeOf } from "../../src/ledger/shard-state.ts";
import { MAX_WAITING_CALLS, MAX_WAITING_CHARS } from "../../src/runtime/shard/inbox.ts";
import { openHarness } from "../harness/shard-harness.ts";

const turnsOf = (memory: LedgerMemory): TurnRecord[] =>
  (memory.shards.get("test.counter/0") ?? [])
    .map(({ seq, bytes }) => decodeRecord("test.counter/0", seq, bytes))
    .filter((record) => record.kind === "turn");

test("an effect is released only when its record is durable (C1)", async () => {
  let early = 0;
  const h = await openHarness({
    faults: { delay: () => 3 },
    onRelease: (entry, memory) => {
      if ((memory.shards.get("test.counter/0")?.length ?? 0) < entry.id.seq) early++;
    },
  });
  const started = h.shard.start(null);
  await h.settle();
  await started;
  for (let n = 1; n <= 200; n++) h.call(n, { key: "a" });
  for (let round = 0; round < 20; round++) await h.settle();
  assert.equal(early, 0);
  assert.equal(h.answers().get("test.caller/0:200:0"), 200);
});

test("an answer that leaves no record waits for the turns it ran behind, those of its own batch too (C1)", async () => {
  const seen: [unknown, number][] = [];
  const h = await openHarness({
    faults: { delay: () => 3 },
    onRelease: ({ id, effect }, memory) => {
      if (effect.do !== "answer" || !effect.answer.ok || id.seq > 0) return;
      seen.push([effect.answer.value, memory.shards.get("test.counter/0")?.length ?? 0]);
    },
  });
  await Promise.all([h.shard.start(null), h.settle()]);
  h.ask(1, { key: "a" });
  await h.settle();
  const before = h.shard.state.seq;
  h.ask(2, { key: "a" });
  h.ask(3, { key: "a", look: true });
  await h.settle();
  assert.deepEqual(seen, [[2, before + 1]]);
});

test("what was never durable is told to nobody, by no answer either (C1)", async () => {
  // Append 1 is the activation, 2 the start turn.
  const h = await openHarness({ faults: { delay: () => 3, ioFailedAt: 3 } });
  await Promise.all([h.shard.start(null), h.settle()]);
  h.ask(1, { key: "a" });
  h.ask(2, { key: "a", look: true });
  await h.settle();
  assert.deepEqual([...h.answers()], []);
  assert.equal(h.counters.all()["turn.unrecordedLost"], 1);
  assert.equal(h.givenUp.length, 1);
});

test("a batch goes ahead of an answer, and whatever stops the one in front of it, each call counts once and in order (B1, B2, C3)", async () => {
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    forbidden: fc.nat({ max: 40 }).map((dice) => dice === 0),
    // Now and then the rest has to wait until something has been answered.
    settles: fc.nat({ max: 30 }).map((dice) => dice === 0),
  });
  // One: what dies again alone is to blame, and given up.
  const death = fc.integer({ min: 40, max: 400 });
  let ahead = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 150, maxLength: 300 }), death, async (steps, dying) => {
      const h = await openHarness({ hostDiesAt: new Set([dying]), onBatch: () => undefined });
      await Promise.all([h.shard.start(null), h.settle()]);
      // Calm, and every key known.
      for (let n = 1; n <= 12; n++) {
        h.call(n, { key: ["a", "b", "c"][n % 3] as string });
        await h.settle();
      }
      const expected = new Map<string, unknown>();
      const counts = new Map(["a", "b", "c"].map((key) => [key, 4]));
      for (const [index, { key, forbidden, settles }] of steps.entries()) {
        const n = 13 + index;
        h.call(n, forbidden ? { key, forbidden } : { key });
        if (!forbidden) counts.set(key, (counts.get(key) ?? 0) + 1);
        expected.set(`test.caller/0:${n}:0`, forbidden ? "TURN_KEY_NOT_OWNED" : counts.get(key));
        if (settles) await new Promise((resume) => setImmediate(resume));
      }
      for (let round = 0; round < 10; round++) await h.settle();
      const answers = h.answers();
      for (const [callId, value] of expected) assert.equal(answers.get(callId), value, callId);
      assert.equal(answers.size, 12 + steps.length);
      const records = turnsOf(h.memory);
      for (const [index, { at }] of records.entries()) assert.ok(at >= (records[index - 1]?.at ?? 0));
      if (h.mostSent() > 1) ahead++;
    }),
    { numRuns: 30, endOnFailure: true },
  );
  assert.ok(ahead > 4, `in ${ahead} runs of 30 a batch went ahead`);
});

test("what left after an answer had come that stops it, and before the shard had looked at it, leaves nothing behind (B2)", async () => {
  const step = fc.record({
    // A key that nobody has asked for yet stops a batch; seldom, or none goes ahead.
    isNew: fc.nat({ max: 250 }).map((dice) => dice === 0),
    settles: fc.nat({ max: 60 }).map((dice) => dice === 0),
  });
  /** The same one for about half a batch, so that what comes back finds nothing of it among what it is given. */
  const knownKey = (n: number): string => `known${Math.floor(n / 30) % 5}`;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5_000, maxLength: 6_000 }), async (steps) => {
      const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));
      const h = await openHarness({ handedOn: turn });
      await Promise.all([h.shard.start(null), h.settle()]);
      const counts = new Map<string, number>();
      const expected = new Map<string, number>();
      const call = (key: string): void => {
        const n = expected.size + 1;
        counts.set(key, (counts.get(key) ?? 0) + 1);
        h.call(n, { key });
        expected.set(`test.caller/0:${n}:0`, counts.get(key) as number);
      };
      const answered = async (): Promise<void> => {
        for (let round = 0; round < 400 && h.answers().size < expected.size; round++) await h.settle();
      };
      // A small state is given as a whole with the first key, and mends what was left behind.
      for (let n = 0; n < 4_100; n++) call(`other${n}`);
      await answered();
      for (let n = 0; n < 10; n++) {
        call(knownKey(30 * n));
        await h.settle();
      }
      for (const [index, { isNew, settles }] of steps.entries()) {
        call(isNew ? `new${index}` : knownKey(index));
        if (settles) await turn();
      }
      await answered();
      assert.deepEqual(h.answers(), expected);
    }),
    { numRuns: 1, endOnFailure: true },
  );
});

test("each delivery ends in one record, whatever is repeated (C3)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 30 }), async (order) => {
      const h = await openHarness({});
      await Promise.all([h.shard.start(null), h.settle()]);
      let highest = 0;
      for (const n of order) {
        h.call(n, { key: "k" });
        highest = Math.max(highest, n);
      }
      await h.settle();
      // A sender's effects come in order; one below what was seen is a repeat.
      const seen = new Set<number>();
      let last = 0;
      for (const n of order) {
        if (n <= last) continue;
        last = n;
        seen.add(n);
      }
      assert.equal(h.shard.state.keys.get("n/k") ?? 0, seen.size);
      assert.equal(turnsOf(h.memory).length, seen.size + 1);
    }),
    { numRuns: 30 },
  );
});

test("keys that turns of a batch will ask for come together, and never undo what a turn between has written", async () => {
  for (const keys of [1, 5, 64]) {
    let batches = 0;
    const h = await openHarness({ onBatch: () => batches++ });
    await Promise.all([h.shard.start(null), h.settle()]);
    // As if there were far more than is handed over whole.
    h.shard.state.size = 2 ** 24;
    batches = 0;
    for (let n = 0; n < 64; n++) h.call(n + 1, { key: `k${n % keys}` });
    await h.settle();
    const counted = Array.from({ length: 64 }, (_, n) => Math.floor(n / keys) + 1);
    assert.deepEqual([...h.answers().values()], counted, `${keys} keys`);
    assert.equal(batches, 2, `${keys} keys`);
  }
});

test("a turn that asks for more without end fails by name, alone, and the turns behind it are served", async () => {
  let batches = 0;
  const h = await openHarness({ onBatch: () => batches++ });
  await Promise.all([h.shard.start(null), h.settle()]);
  h.shard.state.size = 2 ** 24;
  h.shard.state.keys.set("n/large", "x".repeat(4 * 1024 * 1024));
  h.shard.state.versions.set("n/large", 1);
  batches = 0;
  h.call(1, { key: "large", greedy: true });
  for (let n = 2; n <= 64; n++) h.call(n, { key: "a" });
  for (let round = 0; round < 10; round++) await h.settle();
  assert.deepEqual(
    [...h.answers().values()],
    ["TURN_KEYS_TOO_LARGE", ...Array.from({ length: 63 }, (_, n) => n + 1)],
  );
  assert.deepEqual(h.givenUp, []);
  assert.ok(batches < 80, `${batches} batches`);
});

test("a name of half a megabyte that a turn is refused for is told by its beginning", async () => {
  const h = await openHarness({});
  await Promise.all([h.shard.start(null), h.settle()]);
  h.call(1, { key: "a", topic: 500_000 });
  await h.settle();
  assert.deepEqual([...h.answers().values()], ["TURN_TOPIC_UNKNOWN"]);
  const told = JSON.stringify([turnsOf(h.memory).at(-1), h.released.at(-1)?.entry]);
  assert.match(told, /\(500000 characters\)/);
  assert.ok(told.length < 8_000 && told.isWellFormed(), `${told.length} characters`);
});

test("a turn whose effect is refused changes nothing, and the turns behind it see nothing of it", async () => {
  const h = await openHarness({});
  await Promise.all([h.shard.start(null), h.settle()]);
  h.call(1, { key: "a" });
  h.call(2, { key: "a", forbidden: true });
  h.call(3, { key: "a" });
  await h.settle();
  assert.deepEqual([...h.answers().values()], [1, "TURN_KEY_NOT_OWNED", 2]);
  assert.deepEqual(h.deadLetters, ["TURN_KEY_NOT_OWNED"]);
});

test("a host that dies loses no delivery; only the one that kills again is given up (C4)", async () => {
  // Deliveries are counted over all hosts: 1 is the start; 4 dies in the batch, and 8 when it is alone.
  const h = await openHarness({ hostDiesAt: new Set([4, 8]) });
  await Promise.all([h.shard.start(null), h.settle()]);
  for (let n = 1; n <= 6; n++) h.call(n, { key: String(n) });
  for (let round = 0; round < 5; round++) {
    await h.settle();
    h.clock.advance(100);
  }
  const answers = [...h.answers().values()];
  assert.equal(answers.length, 6);
  assert.equal(answers.filter((answer) => answer === "TURN_KILLED_HOST").length, 1);
  assert.equal(answers.filter((answer) => answer === 1).length, 5);
  assert.equal(h.counters.get("host.deaths"), 1);
});

test("a host that dies while nothing of a shard is in it costs that shard no host of its own (C4)", async () => {
  const h = await openHarness({});
  await Promise.all([h.shard.start(null), h.settle()]);
  h.call(1, { key: "a" });
  await h.settle();
  h.hostDies();
  for (let n = 2; n <= 4; n++) h.call(n, { key: "a" });
  await h.settle();
  assert.deepEqual([...h.answers().values()], [1, 2, 3, 4]);
  assert.deepEqual(h.groups, ["g", "g"]);
  assert.deepEqual([h.shard.restarts, h.counters.get("host.deaths")], [1, 1]);
});

test("while no host can be opened that is told and counted each time, and what waits runs in the first that can (C4)", async () => {
  // 1 is the first of all; in the group and alone twice, then alone.
  const h = await openHarness({ openFailsAt: new Set([2, 3, 4, 5]) });
  await Promise.all([h.shard.start(null), h.settle()]);
  h.hostDies();
  h.call(1, { key: "a" });
  for (let round = 0; round < 8; round++) {
    await h.settle();
    h.clock.advance(100);
  }
  assert.deepEqual([...h.answers().values()], [1]);
  assert.deepEqual(h.noHosts, ["CAPSULE_ENDS_HOST", "CAPSULE_ENDS_HOST", "CAPSULE_ENDS_HOST"]);
  assert.equal(h.counters.get("host.notOpened"), 3);
});

test("whose delivery was in a host that died and is stopped alone, or kills again, shares no host for a while (C5)", async () => {
  const alone = "alone/test.counter/0";
  const fates = [
    // 1 is the start; 3 dies with its neighbours, 4 is the same one alone.
    { faults: { hostDiesAt: new Set([3]), deadlineAt: new Set([4]) }, code: "TURN_DEADLINE" },
    { faults: { hostDiesAt: new Set([3, 4]) }, code: "TURN_KILLED_HOST" },
    { faults: { hostDiesAt: new Set([3]) }, code: undefined },
  ];
  for (const { faults, code } of fates) {
    const h = await openHarness(faults);
    await Promise.all([h.shard.start(null), h.settle()]);
    const callAll = async (first: number): Promise<void> => {
      for (let n = first; n < first + 2; n++) {
        h.call(n, { key: String(n), look: true });
        for (let round = 0; round < 3; round++) {
          await h.settle();
          h.clock.advance(100);
        }
      }
    };
    await callAll(1);
    assert.deepEqual([...h.answers().values()], code === undefined ? [null, null] : [code, null]);
    assert.deepEqual(h.groups, ["g", alone, code === undefined ? "g" : alone]);
    if (code === undefined) continue;
    // As it is suspended and resumed.
    await h.shard.unload();
    await h.shard.load();
    h.shard.run();
    h.clock.advance(600_000);
    h.hostDies(alone);
    await callAll(3);
    assert.deepEqual(h.groups, ["g", alone, alone, alone, "g"]);
  }
});

test("a timer that kills its host and was cancelled meanwhile is no turn, and one of its name rings again (C3, C4)", async () => {
  // 3 cancels, 4 is the timer in the same batch; alone they are 5 and 6.
  const h = await openHarness({ hostDiesAt: new Set([4, 6]) });
  await Promise.all([h.shard.start(null), h.settle()]);
  const soon = h.clock.now() + 50;
  h.call(1, { key: "a", set: ["t", soon] });
  await h.settle();
  h.call(2, { key: "a", cancel: "t" });
  h.clock.advance(60);
  for (let round = 0; round < 3; round++) {
    await h.settle();
    h.clock.advance(100);
  }
  assert.equal(h.counters.get("host.kills"), 1);
  assert.equal(h.counters.get("turn.stale.timer"), 1);
  const rang = (): number =>
    turnsOf(h.memory).filter(({ input }) => input.from === "timer" && input.delivery.kind === "timer").length;
  assert.equal(rang(), 0);
  h.call(3, { key: "a", set: ["t", h.clock.now() + 50] });
  await h.settle();
  h.clock.advance(60);
  await h.settle();
  assert.equal(rang(), 1);
});

test("a capsule that keeps killing its host is given up, and what waits is kept", async () => {
  const h = await openHarness({ hostDiesAt: new Set(Array.from({ length: 200 }, (_, index) => index + 2)) });
  await Promise.all([h.shard.start(null), h.settle()]);
  for (let n = 1; n <= 6; n++) h.call(n, { key: String(n) });
  await h.settle();
  assert.equal((h.givenUp[0] as { code?: string }).code, "CAPSULE_KEEPS_KILLING");
  assert.equal(h.shard.inbox.waiting, 3);
});

test("what was on its way into a sandbox that could not take it waits for the capsule to be resumed", async () => {
  let breaksAt = 2;
  const h = await openHarness({
    handedOn: async () => {
      breaksAt -= 1;
      if (breaksAt === 0) throw new Error("no frame holds it");
    },
  });
  await Promise.all([h.shard.start(null), h.settle()]);
  for (let n = 1; n <= 3; n++) h.call(n, { key: "a" });
  await h.settle();
  assert.deepEqual([h.givenUp.map(String), h.answers().size], [["Error: no frame holds it"], 0]);
  assert.equal(h.shard.inbox.waiting, 3);
  await h.shard.unload();
  await h.shard.load();
  h.shard.run();
  await h.settle();
  assert.deepEqual([...h.answers().values()], [1, 2, 3]);
});

test("what was in a host that died waits for the capsule to be resumed when it does not load in the next one", async () => {
  for (const isIdle of [true, false]) {
    // The first is the shard's own; the next one takes its place, or runs alone what was in it.
    const h = await openHarness({ openBreaksAt: 2, ...(isIdle ? {} : { hostDiesAt: new Set([2]) }) });
    await Promise.all([h.shard.start(null), h.settle()]);
    if (isIdle) h.hostDies();
    for (let n = 1; n <= 3; n++) h.call(n, { key: "a" });
    await h.settle();
    assert.deepEqual([h.givenUp.map(String), h.shard.inbox.waiting], [["Error: it does not load"], 3]);
    await h.shard.unload();
    await h.shard.load();
    h.shard.run();
    await h.settle();
    assert.deepEqual([...h.answers().values()], [1, 2, 3]);
  }
});

test("a full disk makes turns wait; nothing is released early and nothing is lost", async () => {
  const h = await openHarness({ faults: { diskFullAt: new Set([3, 4, 5]) } });
  await Promise.all([h.shard.start(null), h.settle()]);
  for (let n = 1; n <= 5; n++) h.call(n, { key: "a" });
  await h.settle();
  assert.equal(h.answers().size, 0);
  for (let round = 0; round < 20; round++) {
    h.clock.advance(1_000);
    await h.settle();
  }
  assert.deepEqual([...h.answers().values()], [1, 2, 3, 4, 5]);
});

test("a crash at any commit loses no acknowledged turn and doubles none", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 3, max: 12 }), fc.boolean(), async (commit, kept) => {
      const memory = new LedgerMemory();
      const before = await openHarness({ memory, faults: { crashAtCommit: { commit, kept } } });
      await Promise.all([before.shard.start(null), before.settle()]);
      for (let n = 1; n <= 10; n++) {
        before.call(n, { key: "a" });
        await before.settle();
      }
      const acknowledged = before.answers().size;
      memory.holder = undefined;
      const after = await openHarness({ memory, clock: before.clock });
      const durable = (after.shard.state.keys.get("n/a") as number | undefined) ?? 0;
      assert.ok(durable >= acknowledged, `${durable} durable, ${acknowledged} acknowledged`);
      await Promise.all([after.shard.start(null), after.settle()]);
      // The caller repeats everything it has no answer to, and more.
      for (let n = 1; n <= 10; n++) after.call(n, { key: "a" });
      await after.settle();
      assert.equal(after.shard.state.keys.get("n/a"), 10);
      const unconfirmed = after.shard.state.outbox.size;
      assert.ok(unconfirmed >= 10 - acknowledged);
    }),
    { numRuns: 40 },
  );
});

test("timers fire once, at their last setting, unless cancelled; overdue ones fire after recovery in (due, id) order", async () => {
  const memory = new LedgerMemory();
  const h = await openHarness({ memory });
  await Promise.all([h.shard.start(null), h.settle()]);
  const t0 = h.clock.now();
  const set = (n: number, id: string, at: number): boolean => h.call(n, { key: "", set: [id, t0 + at] });
  set(1, "a", 10);
  set(2, "a", 30);
  set(3, "b", 20);
  set(4, "c", 25);
  h.call(5, { key: "", cancel: "c" });
  set(6, "d", 100);
  set(7, "e", 100);
  set(8, "f", 90);
  await h.settle();
  for (const ms of [10, 10, 5, 5]) {
    h.clock.advance(ms);
    await h.settle();
  }
  const fired = (keys: Iterable<string>): string[] => [...keys].filter((key) => key.startsWith("n/fired/"));
  assert.deepEqual(fired(h.shard.state.keys.keys()), [`n/fired/b/${t0 + 20}`, `n/fired/a/${t0 + 30}`]);
  await h.shard.pause();
  memory.holder = undefined;
  h.clock.advance(500);
  const after = await openHarness({ memory, clock: h.clock });
  await Promise.all([after.shard.start(null), after.settle()]);
  after.clock.advance(0);
  await after.settle();
  const at = t0 + 530;
  assert.deepEqual(fired(after.shard.state.keys.keys()).slice(2), [
    `n/fired/f/${at}`,
    `n/fired/d/${at}`,
    `n/fired/e/${at}`,
  ]);
});

test("a second answer to a call that has ended is dropped and counted", async () => {
  const h = await openHarness({});
  await Promise.all([h.shard.start(null), h.settle()]);
  const callId = "test.counter/0:1:0";
  const pending = {
    callId,
    tag: "t",
    context: null,
    capability: "test.other",
    method: "m",
    input: null,
    depth: 0,
  };
  h.shard.state.pending.set(callId, { ...pending, deadlineAt: h.clock.now() + 40 });
  const answer = { ok: true, value: 1 } as const;
  h.shard.receiveValue("device", { kind: "answer", callId, tag: "t", context: null, answer });
  h.shard.receiveValue("device", { kind: "answer", callId, tag: "t", context: null, answer });
  await h.settle();
  assert.equal(h.shard.state.pending.size, 0);
  assert.equal(h.counters.get("turn.stale.answer"), 1);
});

test("keys and timers of a shard are bounded in the kernel's memory; freeing is always allowed", async () => {
  const h = await openHarness({ maxStateSize: 560 });
  await Promise.all([h.shard.start(null), h.settle()]);
  for (let n = 1; n <= 8; n++) h.call(n, { key: `key-${n}` });
  h.call(9, { key: "", set: ["t", h.clock.now() + 1_000_000] });
  await h.settle();
  const codes = [...h.answers().values()];
  assert.equal(codes.filter((answer) => answer === 1).length, 5);
  assert.equal(codes.filter((answer) => answer === "TURN_STATE_TOO_LARGE").length, 4);
  assert.ok(h.shard.state.size <= 560);
});

test("a shard takes so many waiting calls and no more, and says so", async () => {
  const h = await openHarness({});
  for (let n = 1; n <= MAX_WAITING_CALLS; n++) assert.ok(h.call(n, { key: "a" }));
  assert.equal(h.call(MAX_WAITING_CALLS + 1, { key: "a" }), false);
});

test("waiting calls carry so much and no more, and what was taken makes room again", async () => {
  const h = await openHarness({});
  const large = { key: "a", padding: "x".repeat(4 * 1024 * 1024) };
  const most = Math.ceil(MAX_WAITING_CHARS / large.padding.length);
  for (let n = 1; n <= most; n++) assert.ok(h.call(n, large));
  assert.equal(h.call(most + 1, { key: "a" }), false);
  await Promise.all([h.shard.start(null), h.settle()]);
  await h.settle();
  assert.ok(h.call(most + 1, { key: "a" }));
  await h.settle();
  assert.equal(h.answers().size, most + 1);
});

test("the size of a shard is that of what it holds, whatever was written, replaced, deleted, set and fired", async () => {
  const h = await openHarness({});
  await Promise.all([h.shard.start(null), h.settle()]);
  for (let n = 1; n <= 40; n++) {
    const key = String(n % 7);
    if (n % 3 === 0) h.call(n, { key: "", set: [key, h.clock.now() + (n % 5) * 10] });
    else if (n % 4 === 0) h.call(n, { key: "", cancel: key });
    else h.call(n, { key });
    await h.settle();
    h.clock.advance(7);
  }
  await h.settle();
  let size = 0;
  for (const [key, value] of h.shard.state.keys) size += sizeOf(key, value);
  for (const [id, { payload }] of h.shard.state.timers) size += sizeOf(id, payload);
  assert.equal(h.shard.state.size, size);
});

test("a second copy of an effect confirms only once the first is durable (C1)", async () => {
  const { shard, memory, counters } = await openHarness({
    faults: { delay: (commit) => (commit > 2 ? 20 : 0) },
  });
  await shard.start({});
  const source = { shard: "test.caller/0", seq: 1, index: 0 };
  const callId = "test.caller/0:1:0";
  const call = {
    kind: "call",
    callId,
    capability: "test.count",
    method: "add",
    input: { key: "a" },
  } as const;
  const delivery = { ...call, caller: "test.caller", deadlineAt: 9e15 };
  const confirmed: number[] = [];
  const confirm = (): void => void confirmed.push(memory.shards.get("test.counter/0")?.length ?? 0);
  assert.equal(shard.receive(source, 1, delivery, confirm), true);
  while (shard.state.watermarks.size === 0) await new Promise((resume) => setImmediate(resume));
  const durable = memory.shards.get("test.counter/0")?.length ?? 0;
  assert.ok(shard.state.seq > durable, "the turn has run and is not durable yet");
  assert.equal(shard.receive(source, 1, delivery, confirm), true);
  assert.equal(counters.get("effect.duplicatesDropped"), 1);
  for (let round = 0; round < 60; round++) await new Promise((resume) => setImmediate(resume));
  assert.deepEqual(confirmed, [shard.state.seq, shard.state.seq]);
});
