/**
 * Pipeline and fold against a stream that drops, delays and reorders what it is sent, forgets acknowledgements, and takes
 * messages of a fenced owner wherever their expected sequence happens to fit. The stream itself does what JetStream does
 * with `Nats-Expected-Last-Sequence` and `Nats-Msg-Id`, and nothing else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@vnes/driver-memory";
import fc from "fast-check";
import { encodeControl } from "../src/control-message.ts";
import { encodeEntries, encodeFrame } from "../src/frame.ts";
import { GroupFold, type StreamMessage } from "../src/group-fold.ts";
import { Pipeline, type Sent } from "../src/pipeline.ts";

const OLD = "0000000000000001";
const NEW = "0000000000000002";

class Stream {
  readonly messages: StreamMessage[] = [];
  readonly #ids = new Set<string>();

  /** True when it is stored, now or before. */
  take({ kind, data, expected, id }: Sent): boolean {
    if (this.#ids.has(id)) return true;
    if (expected !== this.messages.length) return false;
    this.#ids.add(id);
    this.messages.push({ kind, seq: expected + 1, at: 0, data });
    return true;
  }
}

function batch(boot: string, number: number): Uint8Array {
  const hash = new Uint8Array(32);
  const records = [{ bytes: Buffer.from(`${boot}#${number}`), hash }];
  const body = encodeEntries([{ kind: "append", shard: boot, seq: number, records }]);
  return encodeFrame({ part: 0, parts: 1, boot, number, body });
}

function claim(boot: string): Uint8Array {
  return encodeControl({ kind: "claim", boot, node: boot, instance: boot, leaseMs: 1 });
}

/** One owner sends `count` messages through a bad network, while what an older owner had in flight still arrives. */
function run(
  seed: number,
  count: number,
  stale: number,
): { readonly fold: GroupFold; readonly confirmed: number[] } {
  const random = new SeededRandom(seed);
  const stream = new Stream();
  stream.take({ kind: "claim", data: claim(OLD), expected: 0, id: "old", round: 0 });
  // The older owner has predicted places; none of its messages arrived before the new claim. Its numbers are those the
  // new owner's messages will have in the same places, so that only the claim tells them apart.
  let late: Sent[] = Array.from({ length: stale }, (_, index) => ({
    kind: "batch",
    data: batch(OLD, Math.max(index, 1)),
    expected: 1 + index,
    id: `old.${index}`,
    round: 0,
  }));
  stream.take({ kind: "claim", data: claim(NEW), expected: 1, id: "new", round: 0 });

  const fold = new GroupFold("S", 0);
  const wire: Sent[] = [];
  const confirmed: number[] = [];
  let now = 0;
  let read = 0;
  const pipeline = new Pipeline({
    boot: NEW,
    now: () => now,
    lastSeq: () => fold.lastSeq,
    confirmed: () => undefined,
    send: (message) => {
      if (random.below(4) > 0) wire.push(message);
    },
  });
  const readOn = (): void => {
    const message = stream.messages[read++];
    if (message === undefined) {
      read--;
      return;
    }
    const folded = fold.fold(message);
    if (read <= 2) return;
    const isOwn = folded.type === "batch" && folded.boot === NEW;
    pipeline.folded(isOwn ? { kind: "batch", number: folded.number } : undefined);
  };
  readOn();
  readOn();
  let pushed = 0;
  for (let step = 0; confirmed.length < count; step++) {
    assert.ok(step < 200_000, "it comes to an end");
    now += random.below(3);
    switch (random.below(5)) {
      case 0: {
        if (pushed === count) break;
        const number = ++pushed;
        pipeline.push([{ number, data: batch(NEW, number) }], () => confirmed.push(number));
        break;
      }
      case 1: {
        // Mostly in order; now and then something overtakes.
        const at = random.below(5) === 0 ? random.below(Math.max(wire.length, 1)) : 0;
        const [message] = wire.splice(at, 1);
        if (message !== undefined && !stream.take(message) && random.below(2) === 0)
          pipeline.refused(message.round);
        break;
      }
      case 2:
        if (late.length > 0)
          late = late.filter((message) => !(random.below(2) === 0 && stream.take(message)));
        break;
      case 3:
        readOn();
        break;
      default:
        pipeline.tick();
    }
  }
  return { fold, confirmed };
}

test("every message counts once and in order, whatever the network does and a fenced owner left behind (F1, P1, P4)", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), fc.nat({ max: 8 }), (seed, count, stale) => {
      const { fold, confirmed } = run(seed, count, stale);
      assert.deepEqual(
        confirmed,
        Array.from({ length: count }, (_, index) => index + 1),
      );
      assert.equal(fold.index.head(NEW), count);
      assert.equal(fold.index.head(OLD), 0, "nothing of the fenced owner counts");
    }),
    { numRuns: 300 },
  );
});

test("a message that is gone is named, and one that was refused is not (F2)", () => {
  const message = (seq: number, kind: StreamMessage["kind"], data: Uint8Array): StreamMessage => ({
    kind,
    seq,
    at: 0,
    data,
  });
  const damaged = new GroupFold("S", 0);
  damaged.fold(message(1, "claim", claim(NEW)));
  damaged.fold(message(2, "batch", batch(NEW, 1)));
  assert.throws(() => damaged.fold(message(4, "batch", batch(NEW, 3))), { code: "LEDGER_FILE_CORRUPT" });

  const refused = new GroupFold("S", 0);
  refused.fold(message(1, "claim", claim(NEW)));
  assert.deepEqual(refused.fold(message(2, "batch", batch(NEW, 2))), { type: "void" });
  assert.equal(refused.fold(message(3, "batch", batch(NEW, 1))).type, "batch");

  const short = new GroupFold("S", 0);
  short.fold(message(1, "claim", claim(NEW)));
  const beat = encodeControl({ kind: "beat", boot: NEW, number: 2 });
  assert.throws(() => short.fold(message(3, "beat", beat)), { code: "LEDGER_FILE_CORRUPT" });
});

test("a claim that is gone is named by whatever its owner wrote; a message of an owner that was fenced is not damage (F5)", () => {
  for (const [kind, data] of [
    ["batch", batch(NEW, 1)],
    ["beat", encodeControl({ kind: "beat", boot: NEW, number: 1 })],
  ] as const) {
    const damaged = new GroupFold("S", 0);
    damaged.fold({ kind: "claim", seq: 1, at: 0, data: claim(OLD) });
    assert.throws(() => damaged.fold({ kind, seq: 3, at: 0, data }), { code: "LEDGER_FILE_CORRUPT" });
  }
  const fenced = new GroupFold("S", 0);
  fenced.fold({ kind: "claim", seq: 1, at: 0, data: claim(OLD) });
  fenced.fold({ kind: "claim", seq: 2, at: 0, data: claim(NEW) });
  assert.deepEqual(fenced.fold({ kind: "batch", seq: 3, at: 0, data: batch(OLD, 1) }), { type: "void" });
});

test("parts without the last one are nothing (F3)", () => {
  const fold = new GroupFold("S", 0);
  const records = [{ bytes: new Uint8Array(100), hash: new Uint8Array(32) }];
  const body = encodeEntries([{ kind: "append", shard: "a", seq: 1, records }]);
  const part = (index: number, number: number): Uint8Array => {
    const half = index === 0 ? body.subarray(0, 50) : body.subarray(50);
    return encodeFrame({ part: index, parts: 2, boot: NEW, number, body: half });
  };
  fold.fold({ kind: "claim", seq: 1, at: 0, data: claim(NEW) });
  fold.fold({ kind: "batch", seq: 2, at: 0, data: part(0, 1) });
  assert.equal(fold.index.head("a"), 0);
  fold.fold({ kind: "claim", seq: 3, at: 0, data: claim(OLD) });
  fold.fold({ kind: "claim", seq: 4, at: 0, data: claim(NEW) });
  fold.fold({ kind: "batch", seq: 5, at: 0, data: part(0, 1) });
  fold.fold({ kind: "batch", seq: 6, at: 0, data: part(1, 2) });
  assert.equal(fold.index.head("a"), 1);
});
