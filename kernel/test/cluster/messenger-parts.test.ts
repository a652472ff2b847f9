/** What messengers and links say, taken apart and put together; and what comes of bytes that nobody of ours sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock, memoryMessenger, MessengerHub } from "@vnes/driver-memory";
import type { Answer } from "@vnes/schemas";
import fc from "fast-check";
import { parsePage, parsePageRequest } from "../../src/cluster/event-page.ts";
import { encodeBatch, encodeReply, entryText, parseLinkMessage } from "../../src/cluster/link-message.ts";
import { MAX_WAITING_EFFECTS, Peer } from "../../src/cluster/peer.ts";
import { parseQuestion } from "../../src/cluster/questions.ts";
import type { OutboxEntry } from "../../src/ledger/outbox.ts";
import { decodeMessage, encodeMessage, type Frame, partPayloadBytes } from "../../src/messenger/frame.ts";
import { cut, MAX_UNFINISHED_BYTES, Parts } from "../../src/messenger/parts.ts";
import { Counters } from "../../src/runtime/node/counters.ts";

const frame: fc.Arbitrary<Frame> = fc
  .record({
    kind: fc.constantFrom("request", "answer", "refusal", "tell"),
    tag: fc.nat({ max: 0xffffffff }),
    number: fc.nat({ max: 0xffffffff }),
    service: fc.stringMatching(/^[a-z.]{0,60}$/),
    payload: fc.uint8Array({ maxLength: 300 }),
    part: fc.option(fc.record({ total: fc.nat(1_000), offset: fc.nat(1_000) }, { noNullPrototype: true }), {
      nil: undefined,
    }),
  })
  .map(({ part, ...rest }) => (part === undefined ? rest : { ...rest, part }));

test("frames come back as they were; bytes that were cut short or changed in length are none", () => {
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), fc.nat(), (frames, at) => {
      const bytes = encodeMessage("node-1", frames);
      const back = decodeMessage(bytes);
      assert.equal(back?.from, "node-1");
      assert.deepEqual(
        back.frames.map((one) => ({ ...one, payload: [...one.payload] })),
        frames.map((one) => ({ ...one, payload: [...one.payload] })),
      );
      const short = decodeMessage(bytes.subarray(0, at % bytes.length));
      assert.ok(short === undefined || short.frames.length < frames.length);
    }),
  );
});

test("whatever bytes arrive, nothing is thrown and nothing is taken for what it is not", () => {
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fc
      .record({ kind: fc.constantFrom("batch", "took", "confirmed", "call", "read"), link: fc.anything() })
      .map((value) => new TextEncoder().encode(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(junk, (bytes) => {
      decodeMessage(bytes);
      assert.equal(parseLinkMessage(bytes), undefined);
      assert.equal(parseQuestion(bytes), undefined);
      assert.equal(parsePageRequest(bytes), undefined);
      assert.equal(parsePage(bytes, 1), undefined);
    }),
  );
});

test("a whole is given out only with every part of it, in order; the rest is dropped and counted", () => {
  const payload = Uint8Array.from({ length: 10_000 }, (_, index) => index % 251);
  const whole: Frame = { kind: "request", tag: 1, number: 2, service: "s", payload };
  const parts = cut(whole, partPayloadBytes("a", whole, 1_024));
  assert.ok(parts.length > 9);
  fc.assert(
    fc.property(fc.shuffledSubarray([...parts.keys()]), (order) => {
      const inbox = new Parts();
      const given = order.flatMap((index) => inbox.add("a", parts[index] as Frame, 20_000) ?? []);
      const isWhole = order.length === parts.length && order.every((index, place) => index === place);
      assert.equal(given.length, isWhole ? 1 : 0);
      if (isWhole) assert.deepEqual(given[0], whole);
    }),
  );
});

test("what waits for its last part is bounded, and the oldest goes first", () => {
  const inbox = new Parts();
  const total = 16 * 1024 * 1024;
  const begin = (number: number): Frame => {
    const payload = new Uint8Array(8);
    return { kind: "tell", tag: 1, number, service: "s", payload, part: { total, offset: 0 } };
  };
  const most = MAX_UNFINISHED_BYTES / total;
  for (let number = 0; number < most + 3; number++) inbox.add("a", begin(number), total);
  assert.equal(inbox.dropped, 3);
  assert.equal(inbox.add("a", { ...begin(9), part: { total: total + 1, offset: 0 } }, total), undefined);
  assert.equal(inbox.dropped, 4);
});

const entry = (seq: number, effect: OutboxEntry["effect"]): OutboxEntry => ({
  id: { shard: "a.b/0", seq, index: 0 },
  at: 5,
  depth: 1,
  effect,
});
const event = { do: "publish", topic: "t.v1", key: "k", event: { a: [1] } } as const;
const question = {
  do: "call",
  capability: "c",
  method: "m",
  input: null,
  tag: "t",
  context: 1,
  timeoutMs: 9,
} as const;

test("a batch and its replies come back as they were", () => {
  const entries = [entry(1, event), entry(2, question)];
  const batch = { link: "r.1", first: 3, count: 2, texts: entries.map(entryText) };
  const { texts: _, ...head } = batch;
  assert.deepEqual(parseLinkMessage(encodeBatch(batch, "p")), {
    kind: "batch",
    ...head,
    program: "p",
    entries,
  });
  const answer: Answer = { ok: false, code: "NO", message: "no" };
  const reply = { kind: "confirmed", ids: ["a.b/0:1:0"], refused: [["a.b/0:2:0", answer] as const] } as const;
  assert.deepEqual(parseLinkMessage(encodeReply(reply)), reply);
});

test("calls for a node that is away are refused beyond the bound; events and answers still wait", () => {
  const clock = new MemoryClock();
  const messenger = memoryMessenger(new MessengerHub(), "east", clock);
  const counters = new Counters();
  const more = { run: "r", program: () => "p", arrive: () => undefined };
  const peer = new Peer({ name: "west", messenger, clock, counters, ...more });
  const refused: Answer[] = [];
  const ends = { confirm: () => undefined, refuse: (answer: Answer) => void refused.push(answer) };
  for (let seq = 1; seq <= MAX_WAITING_EFFECTS; seq++) peer.send(entry(seq, question), ends);
  assert.equal(refused.length, 0);
  peer.send(entry(MAX_WAITING_EFFECTS + 1, question), ends);
  peer.send(entry(MAX_WAITING_EFFECTS + 2, event), ends);
  assert.deepEqual(
    refused.map((answer) => (answer.ok ? "" : answer.code)),
    ["CALL_NODE_UNREACHABLE"],
  );
  assert.equal(peer.waiting, MAX_WAITING_EFFECTS + 1);
  peer.close();
});
