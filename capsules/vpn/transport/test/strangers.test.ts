/** What arrives from anybody: forged, moved, cut, too much; none of it leaves anything behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_MESSAGE_BYTES } from "../src/wire.ts";
import type { Datagram } from "./memory-network.ts";
import {
  GATEWAY,
  RHYTHM,
  lab,
  call,
  open,
  opening,
  names,
  framesOf,
  status,
  counter,
} from "./transport-lab.ts";

test("strangers leave nothing behind: no channel, no event, no reply but the cookie", async () => {
  const it = await lab();
  const sent = new Set<Datagram>();
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(3),
      fc.nat(60_000),
      async (noise, type, port) => {
        const message = Uint8Array.from([type + 1, 1, 0, 0, ...noise]);
        it.network.inject({ from: { address: "10.9.9.9", port }, to: GATEWAY, bytes: message });
        await it.network.settle();
        for (const one of it.network.seen) sent.add(one);
      },
    ),
    { numRuns: 300 },
  );
  for (const length of [MAX_MESSAGE_BYTES + 1, 60_000]) {
    const oversize = new Uint8Array(length);
    oversize.set([4, 1, 0, 0]);
    it.network.inject({ from: { address: "10.9.9.9", port: 1 }, to: GATEWAY, bytes: oversize });
  }
  await it.network.settle();
  assert.equal(sent.size, 0);
  assert.deepEqual(it.gateway.events, []);
  assert.deepEqual((await status(it.gateway.driver)).channels, []);
  const counters = (await status(it.gateway.driver)).counters;
  assert.equal(
    Object.values(counters).reduce((a, b) => a + b, 0),
    302,
    "each counted, once",
  );
});

test("a channel whose initiator never confirms is never reported and does not stay (T2)", async () => {
  const it = await lab();
  // Ready and everything after it is lost.
  it.network.middle = (datagram) => (datagram.bytes[0] === 4 ? [] : [datagram]);
  const answer = await opening(it, "udp");
  assert.ok(!answer.ok && answer.code === "TRANSPORT_OPEN_TIMEOUT");
  await it.network.clock.advance(500);
  assert.deepEqual(it.gateway.events, []);
  assert.deepEqual((await status(it.gateway.driver)).channels, []);
  assert.ok((await counter(it.gateway.driver, "handshakeUnconfirmed")) >= 1);
});

test("frames from another address are dropped, and the channel stays with its own (T1)", async () => {
  const it = await lab();
  const channelId = await open(it);
  it.network.middle = (d) => [d.to.port === GATEWAY.port ? { ...d, from: { ...d.from, port: 1 } } : d];
  await call(it.client.driver, "send", { channelId, frame: { n: 1 } });
  await it.network.settle();
  assert.deepEqual(framesOf(it.gateway), []);
  assert.ok((await counter(it.gateway.driver, "frameOtherPath")) >= 1);
  it.network.middle = (d) => [d];
  await call(it.client.driver, "send", { channelId, frame: { n: 2 } });
  await it.network.settle();
  assert.deepEqual(framesOf(it.gateway), [{ n: 2 }]);
});

test("whatever the network does to datagrams, a capsule sees each frame at most once and no frame that was not sent", async () => {
  const hand = fc.record({
    what: fc.constantFrom("pass", "pass", "drop", "twice", "hold", "flip", "cut", "mix", "old"),
    at: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(hand, { minLength: 20, maxLength: 60 }), async (hands) => {
      const it = await lab({ gateway: { limits: { framesPerSecond: 100_000 } } });
      const first = await open(it);
      const second = await open(it);
      const channels = [first, second];
      let n = 0;
      let held: Datagram[] = [];
      const past: Datagram[] = [];
      it.network.middle = (datagram) => {
        const { what, at } = hands[n++ % hands.length] ?? { what: "pass", at: 0 };
        past.push(datagram);
        const bytes = datagram.bytes.slice();
        const where = at % bytes.length;
        if (what === "drop") return [];
        if (what === "twice") return [datagram, datagram];
        if (what === "hold") return held.push(datagram) > 5 ? held.splice(0).reverse() : [];
        if (what === "cut") return [{ ...datagram, bytes: bytes.slice(0, where) }];
        if (what === "old") return [datagram, past[at % past.length] ?? datagram];
        if (what === "flip") bytes[where] = (bytes[where] ?? 0) ^ (1 << (at % 8));
        if (what === "mix") {
          // The body of one channel's frame behind the head of another's.
          const other = past[at % past.length]?.bytes ?? bytes;
          if (other.length > 16)
            return [{ ...datagram, bytes: Uint8Array.from([...other.slice(0, 16), ...bytes.slice(16)]) }];
        }
        return [{ ...datagram, bytes }];
      };
      for (let i = 0; i < 60; i++) {
        const channelId = channels[i % 2] ?? first;
        await call(it.client.driver, "send", { channelId, frame: { i } });
        if (i % 7 === 0) await it.network.clock.advance(10);
      }
      held = [];
      await it.network.clock.advance(50);
      const got = framesOf(it.gateway).map((frame) => (frame as { i: number }).i);
      assert.equal(new Set(got).size, got.length, "nothing twice");
      assert.ok(got.every((i) => Number.isInteger(i) && i >= 0 && i < 60));
      const usual: unknown[] = ["opened", "frame", "pathSilent", "pathAlive"];
      assert.deepEqual(
        names(it.gateway).filter((kind) => !usual.includes(kind)),
        [],
      );
    }),
    { numRuns: 25 },
  );
});

test("an authenticated peer that says too much is cut to its tokens, and a frame to its size", async () => {
  const it = await lab({ gateway: { limits: { framesPerSecond: 10 } } });
  const channelId = await open(it);
  for (let i = 0; i < 50; i++) await call(it.client.driver, "send", { channelId, frame: { i } });
  await it.network.settle();
  assert.equal(framesOf(it.gateway).length, 20, "twice the tokens of a second, then no more");
  assert.equal(await counter(it.gateway.driver, "frameRate"), 30);
  const large = await call(it.client.driver, "send", { channelId, frame: { text: "x".repeat(20_000) } });
  assert.ok(!large.ok && large.code === "TRANSPORT_FRAME_TOO_LARGE");
});

test("TCP: a stream may arrive byte by byte, in one piece, or broken, and only the last ends the connection", async () => {
  const it = await lab();
  it.network.middleTcp = (bytes) => [...bytes].map((byte) => Uint8Array.of(byte));
  const channelId = await open(it, "tcp");
  await call(it.client.driver, "send", { channelId, frame: { n: 1 } });
  await it.network.settle();
  assert.deepEqual(framesOf(it.gateway), [{ n: 1 }]);
  it.network.middleTcp = (bytes) => [Uint8Array.of(0xff, 0xff), bytes];
  await call(it.client.driver, "send", { channelId, frame: { n: 2 } });
  await it.network.settle();
  assert.equal(it.gateway.events.at(-1)?.["reason"], "streamBroken");
  await it.network.settle();
  assert.equal(it.client.events.at(-1)?.["event"], "closed");
});

test("TCP: a stranger that is slow, or says one wrong thing, is cut off; so is one too many", async () => {
  const it = await lab({ gateway: { limits: { pendingConnections: 2 } } });
  const tcp = it.client.powers["net.tcp"];
  assert.ok(tcp);
  const closed: string[] = [];
  const dial = async (name: string) => {
    const connection = await tcp.connect({ ...GATEWAY, timeoutMs: 100 });
    connection.receive(
      () => assert.fail("a stranger gets no byte"),
      () => closed.push(name),
    );
    return connection;
  };
  (await dial("slow")).write(Uint8Array.of(0));
  (await dial("wrong")).write(Uint8Array.of(0, 3, 1, 2, 3));
  await it.network.settle();
  assert.deepEqual(closed, ["wrong"]);
  await dial("second");
  await dial("third");
  await it.network.settle();
  assert.deepEqual(closed, ["wrong", "third"]);
  await it.network.clock.advance(RHYTHM.handshakeMs);
  assert.deepEqual(closed.sort(), ["second", "slow", "third", "wrong"]);
  assert.equal(await counter(it.gateway.driver, "connectionHandshakeTimeout"), 2);
});
