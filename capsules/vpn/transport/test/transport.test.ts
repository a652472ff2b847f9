import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, DriverRuntime, Json, JsonObject } from "@vnes/sdk/driver";
import fc from "fast-check";
import { startTransport } from "../src/transport.ts";
import { MAX_MESSAGE_BYTES } from "../src/wire.ts";
import { assertAnswer, definitions, inputProblems, theManifest } from "./spec-check.ts";
import { createMemoryNetwork, type Datagram, type MemoryNetwork, type MemoryNode } from "./memory-network.ts";

const GATEWAY = { address: "10.0.0.1", port: 500 };
const TARGET = { address: "10.0.0.1", port: 7000 };
const RHYTHM = { keepaliveMs: 50, silentMs: 200, deadMs: 1000, handshakeMs: 400, openTimeoutMs: 600 };
const LISTEN = [
  { pathId: "wan-udp", kind: "udp", ...GATEWAY },
  { pathId: "wan-tcp", kind: "tcp", ...GATEWAY },
] as const;

interface Lab {
  readonly network: MemoryNetwork;
  readonly gateway: MemoryNode & { readonly driver: DriverRuntime };
  readonly client: MemoryNode & { readonly driver: DriverRuntime };
}

async function lab(more: { readonly gateway?: JsonObject; readonly client?: JsonObject } = {}): Promise<Lab> {
  const network = createMemoryNetwork();
  const gateway = network.node("10.0.0.1");
  const client = network.node("10.0.0.2");
  const pipe = { listen: { address: "10.0.0.2", port: 6000 }, peer: gateway.publicKey };
  const there = await startTransport(gateway.powers, {
    ...RHYTHM,
    listen: LISTEN,
    pipe: { forward: TARGET },
    ...more.gateway,
  });
  const here = await startTransport(client.powers, { ...RHYTHM, pipe, ...more.client });
  return { network, gateway: { ...gateway, driver: there }, client: { ...client, driver: here } };
}

async function call(driver: DriverRuntime, method: string, input: Json = {}): Promise<Answer> {
  const answer = await driver.call("vpn.transport", method, input);
  assertAnswer(method, answer);
  return answer;
}

/** Starts an open and moves time until it ends. */
async function open({ network, gateway, client }: Lab, kind: "udp" | "tcp" = "udp"): Promise<string> {
  const answer = await opening({ network, gateway, client }, kind);
  assert.ok(answer.ok, JSON.stringify(answer));
  return (answer.value as { channelId: string }).channelId;
}

async function opening({ network, gateway, client }: Lab, kind: "udp" | "tcp", peer = gateway.publicKey) {
  const pending = call(client.driver, "open", { pathId: `to-${kind}`, kind, ...GATEWAY, peer });
  let answer: Answer | null = null;
  void pending.then((value) => (answer = value));
  for (let i = 0; i < 100 && answer === null; i++) await network.clock.advance(10);
  await network.settle();
  return pending;
}

const names = (node: MemoryNode) => node.events.map((event) => event["event"]);
const framesOf = (node: MemoryNode) =>
  node.events.filter((e) => e["event"] === "frame").map((e) => e["frame"]);
async function status(driver: DriverRuntime) {
  const answer = await call(driver, "status");
  assert.ok(answer.ok);
  return answer.value as unknown as {
    counters: Record<string, number>;
    channels: { channelId: string; state: string; active: boolean; silent: boolean }[];
    pipe: { queued: number };
  };
}
const counter = async (driver: DriverRuntime, name: string) => (await status(driver)).counters[name] ?? 0;

for (const kind of ["udp", "tcp"] as const) {
  test(`over ${kind}, a channel opens once at each end and carries frames both ways (T3)`, async () => {
    const it = await lab();
    const channelId = await open(it, kind);
    assert.deepEqual(names(it.client), ["opened"]);
    assert.deepEqual(names(it.gateway), ["opened"]);
    const there = it.gateway.events[0];
    assert.equal(there?.["peer"], it.client.publicKey);
    assert.equal(there?.["pathId"], `wan-${kind}`);
    assert.deepEqual((await call(it.client.driver, "send", { channelId, frame: { n: 1 } })).ok, true);
    await it.network.settle();
    assert.deepEqual(framesOf(it.gateway), [{ n: 1 }]);
    const back = { channelId: there?.["channelId"] ?? "", frame: { n: 2 } };
    assert.equal((await call(it.gateway.driver, "send", back)).ok, true);
    await it.network.settle();
    assert.deepEqual(framesOf(it.client), [{ n: 2 }]);
    assert.deepEqual((await call(it.client.driver, "close", { channelId, reason: "done" })).ok, true);
    await it.network.settle();
    assert.deepEqual(it.client.events.at(-1)?.["reason"], "done");
    assert.equal(it.gateway.events.at(-1)?.["reason"], "peerClosed");
    assert.equal(it.gateway.events.at(-1)?.["detail"], "done");
    assert.deepEqual((await status(it.gateway.driver)).channels, []);
    const again = await call(it.client.driver, "close", { channelId, reason: "done" });
    assert.deepEqual(again, { ok: true, value: { closed: false } });
    const gone = await call(it.client.driver, "send", { channelId, frame: {} });
    assert.ok(!gone.ok && gone.code === "TRANSPORT_CHANNEL_UNKNOWN");
  });

  test(`over ${kind}, a path that goes silent is reported in time, and again when it is back or dead (L2)`, async () => {
    const it = await lab();
    await open(it, kind);
    await it.network.clock.advance(10_000);
    assert.deepEqual(names(it.client), ["opened"], "keepalives keep a quiet channel alive");
    const { middle, middleTcp } = it.network;
    it.network.middle = () => [];
    it.network.middleTcp = () => [];
    await it.network.clock.advance(260);
    for (const node of [it.client, it.gateway]) {
      const silent = node.events.at(-1);
      assert.equal(silent?.["event"], "pathSilent");
      assert.ok((silent["silentMs"] as number) >= 200 && (silent["silentMs"] as number) <= 250);
    }
    it.network.middle = middle;
    it.network.middleTcp = middleTcp;
    await it.network.clock.advance(60);
    assert.deepEqual(names(it.client), ["opened", "pathSilent", "pathAlive"]);
    it.network.middle = () => [];
    it.network.middleTcp = () => [];
    await it.network.clock.advance(1100);
    assert.deepEqual(names(it.client), ["opened", "pathSilent", "pathAlive", "pathSilent", "closed"]);
    const reasons = [it.client, it.gateway].map((node) => node.events.at(-1)?.["reason"]);
    // Over TCP the end that judged first closes its connection, and the other may learn it by that.
    if (kind === "udp") assert.deepEqual(reasons, ["pathDead", "pathDead"]);
    else
      assert.ok(
        reasons.includes("pathDead") && reasons.every((r) => r === "pathDead" || r === "connectionClosed"),
      );
  });
}

for (const kind of ["udp", "tcp"] as const) {
  for (const lost of ["out", "in"] as const) {
    test(`over ${kind}, a path that delivers one way only is silent at both ends, is back when both ways are, and dies (L4): ${lost}`, async () => {
      const it = await lab();
      await open(it, kind);
      await it.network.clock.advance(500);
      const { middle, middleTcp } = it.network;
      const isLost = (fromClient: boolean): boolean => fromClient === (lost === "out");
      const half = () => {
        it.network.middle = (one) => (isLost(one.from.address === "10.0.0.2") ? [] : [one]);
        it.network.middleTcp = (bytes, fromDialer) => (isLost(fromDialer) ? [] : [bytes]);
      };
      half();
      await it.network.clock.advance(320);
      const silent = it.client.events.at(-1);
      assert.deepEqual([silent?.["event"], silent?.["direction"]], ["pathSilent", lost]);
      assert.equal(silent?.["limitMs"], lost === "in" ? RHYTHM.silentMs : undefined, "whose bound it was");
      assert.ok((silent?.["silentMs"] as number) >= 200 && (silent?.["silentMs"] as number) <= 320);
      assert.equal(it.gateway.events.at(-1)?.["direction"], lost === "out" ? "in" : "out");
      it.network.middle = middle;
      it.network.middleTcp = middleTcp;
      await it.network.clock.advance(110);
      for (const node of [it.client, it.gateway])
        assert.deepEqual(names(node), ["opened", "pathSilent", "pathAlive"]);
      half();
      await it.network.clock.advance(1500);
      for (const node of [it.client, it.gateway])
        assert.deepEqual(names(node), ["opened", "pathSilent", "pathAlive", "pathSilent", "closed"]);
    });
  }
}

test("somebody else who answers an open, a captive portal or a forger, is named, and is no channel", async () => {
  const it = await lab();
  const tcp = it.client.powers["net.tcp"];
  assert.ok(tcp);
  const portal = { address: "10.0.0.7", port: 443 };
  const says = (text: string, then: (c: { close(): void }) => void) =>
    it.network.node(portal.address).powers["net.tcp"]?.listen({
      ...portal,
      onConnection(connection) {
        connection.receive(
          () => {
            connection.write(new TextEncoder().encode(text));
            then(connection);
          },
          () => {},
        );
      },
      onError: () => {},
    });
  const dial = { pathId: "portal", kind: "tcp", ...portal, peer: it.gateway.publicKey };
  const expect = async (evidence: string, kind: "tcp" | "udp" = "tcp") => {
    const pending = call(it.client.driver, "open", { ...dial, kind });
    await it.network.clock.advance(700);
    const answer = await pending;
    assert.ok(!answer.ok && answer.code === "TRANSPORT_OPEN_FOREIGN", JSON.stringify(answer));
    assert.match(answer.message, new RegExp(evidence));
  };
  await says("HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", () => {});
  await expect("streamBroken");
  await says("\u0000\u0004nope", (connection) => connection.close());
  await expect("messageMalformed");
  it.network.middle = (one) =>
    one.to.address === portal.address
      ? [{ from: one.to, to: one.from, bytes: one.bytes.slice(0, 149).fill(2, 0, 1) }]
      : [one];
  await expect("cookieForged", "udp");
  assert.deepEqual(names(it.client), []);
  assert.deepEqual((await status(it.client.driver)).channels, []);
});

test("a path the system has no way over is reported with the first refused send, once until something is heard (T4)", async () => {
  const it = await lab();
  it.network.refuse = () => "ENETUNREACH";
  const before = it.network.clock.now();
  const refused = await opening(it, "udp");
  assert.ok(
    !refused.ok && refused.code === "TRANSPORT_OPEN_REFUSED" && /ENETUNREACH/.test(refused.message),
    JSON.stringify(refused),
  );
  assert.ok(it.network.clock.now() - before < 100, "nobody waits for a time limit");
  it.network.refuse = () => null;
  await open(it);
  await it.network.clock.advance(200);
  it.network.refuse = ({ from }) => (from.address === "10.0.0.2" ? "ENETUNREACH" : null);
  await it.network.clock.advance(100);
  const [, told] = it.client.events;
  assert.deepEqual([names(it.client), told?.["code"]], [["opened", "sendFailed"], "ENETUNREACH"]);
  it.network.refuse = () => null;
  await it.network.clock.advance(300);
  assert.deepEqual(names(it.client), ["opened", "sendFailed", "pathAlive"]);
  it.network.refuse = ({ from }) => (from.address === "10.0.0.2" ? "EAGAIN" : null);
  await it.network.clock.advance(100);
  assert.equal(it.client.events.length, 3, "what tells nothing of the path is counted only");
});

test("other addresses of the machine are reported while a channel was opened from here, and only then", async () => {
  const it = await lab();
  const changes = () => it.client.starts.filter((event) => event["event"] === "addressesChanged");
  it.network.moreAddresses.set("10.0.0.2", ["192.168.1.5"]);
  await it.network.clock.advance(3000);
  const channelId = await open(it);
  await it.network.clock.advance(1000);
  assert.deepEqual(changes(), [], "what it finds at first is no change");
  it.network.moreAddresses.set("10.0.0.2", ["172.20.10.2"]);
  await it.network.clock.advance(1000);
  const told = { peer: it.client.publicKey, gone: ["192.168.1.5"], came: ["172.20.10.2"] };
  assert.deepEqual(changes(), [{ event: "addressesChanged", ...told }]);
  await call(it.client.driver, "close", { channelId, reason: "done" });
  it.network.moreAddresses.delete("10.0.0.2");
  await it.network.clock.advance(3000);
  assert.equal(changes().length, 1);
  assert.equal(it.gateway.starts.length, 1, "who only listens looks at nothing");
});

test("an open over UDP survives the loss of any one message of the handshake", async () => {
  for (let lost = 0; lost < 4; lost++) {
    const it = await lab();
    let n = 0;
    it.network.middle = (datagram) => (n++ === lost ? [] : [datagram]);
    await open(it);
    await it.network.clock.advance(200);
    assert.deepEqual(names(it.client), ["opened"], `message ${lost}`);
    assert.deepEqual(names(it.gateway), ["opened"], `message ${lost}`);
  }
});

test("an open to nobody, or to somebody else, ends in a named code", async () => {
  const it = await lab();
  const stranger = it.network.node("10.0.0.9").publicKey;
  const timeout = await opening(it, "udp", stranger);
  assert.ok(!timeout.ok && timeout.code === "TRANSPORT_OPEN_TIMEOUT");
  assert.ok((await counter(it.gateway.driver, "gateClosed")) > 1, "repeated, and each met with silence");
  const silent = await opening(it, "tcp", stranger);
  assert.ok(
    !silent.ok && silent.code === "TRANSPORT_OPEN_REFUSED",
    "a wrong key over TCP ends the connection",
  );
  const nowhere = { pathId: "x", kind: "tcp", address: "10.0.0.1", port: 9, peer: stranger };
  const refused = await call(it.client.driver, "open", nowhere);
  assert.ok(!refused.ok && refused.code === "TRANSPORT_OPEN_REFUSED");
  assert.deepEqual((await status(it.client.driver)).channels, []);
});

test("wrong inputs are refused by field", async () => {
  const it = await lab();
  const good = { pathId: "p", kind: "udp", address: "10.0.0.1", port: 1, peer: it.gateway.publicKey };
  const wrong: [string, Json][] = [
    ["open", { ...good, kind: "pigeon" }],
    ["open", { ...good, address: "example.com" }],
    ["open", { ...good, port: 0 }],
    ["open", { ...good, peer: "AAAA" }],
    ["send", { channelId: "x", frame: [] }],
    ["send", { channelId: "x", frame: { a: -0 } }],
    ["close", { channelId: "x" }],
    ["setActive", { peer: good.peer, channelId: 1, epoch: 1 }],
    ["setActive", { peer: good.peer, channelId: null, epoch: -1 }],
  ];
  for (const [method, input] of wrong) {
    const answer = await call(it.client.driver, method, input);
    assert.ok(
      !answer.ok && answer.code === "TRANSPORT_INPUT_INVALID",
      JSON.stringify([method, input, answer]),
    );
  }
  const unknown = await call(it.client.driver, "fly");
  assert.ok(!unknown.ok && unknown.code === "TRANSPORT_METHOD_UNKNOWN");
});

test("the manifest names every definition, and the schemas refuse what the driver refuses", () => {
  const { input_schemas = [], output_schemas = [], provides } = theManifest.capabilities;
  const named = [...input_schemas, ...output_schemas].map((ref) =>
    ref.replace("spec/schema.json#/$defs/", ""),
  );
  assert.deepEqual(named.toSorted(), definitions.toSorted());
  assert.deepEqual(provides, ["vpn.transport"]);
  assert.deepEqual(theManifest.security?.resources, ["net.udp", "net.tcp", "crypto.channel", "identity"]);
  assert.notDeepEqual(inputProblems("open", { pathId: "p" }), []);
  const peer = "A".repeat(43).concat("=");
  assert.deepEqual(inputProblems("setActive", { peer, channelId: null, epoch: 1, session: "ses_x" }), []);
  assert.notDeepEqual(inputProblems("setActive", { peer, channelId: null, epoch: 1.5 }), []);
});

test("a configuration that is wrong is refused with the pointer", async () => {
  const wrong: [Json, RegExp][] = [
    [{ speed: 1 }, /\/speed/],
    [{ listen: [{ pathId: "a", kind: "udp", address: "here", port: 1 }] }, /\/listen\/0\/address/],
    [{ listen: [LISTEN[0], LISTEN[0]] }, /two listeners/],
    [{ keepaliveMs: 100, silentMs: 150 }, /\/silentMs/],
    [{ pipe: { listen: GATEWAY } }, /\/pipe/],
  ];
  for (const [config, message] of wrong) {
    await assert.rejects(startTransport(createMemoryNetwork().node("10.0.0.1").powers, config), message);
  }
});

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

/** A program at the client's end of the pipe and one at the gateway's, which echoes. */
async function ends(it: Lab) {
  const received: number[] = [];
  const echoed: number[] = [];
  const here = it.client.powers["net.udp"];
  const there = it.gateway.powers["net.udp"];
  assert.ok(here && there);
  const app = await here.open({
    address: "10.0.0.2",
    port: 6100,
    onDatagram: (bytes) => void echoed.push(bytes[0] ?? -1),
    onError: () => {},
  });
  const target = await there.open({
    ...TARGET,
    onDatagram(bytes, remote) {
      received.push(bytes[0] ?? -1);
      target.send(bytes, remote);
    },
    onError: () => {},
  });
  const send = (n: number) => app.send(Uint8Array.of(n), { address: "10.0.0.2", port: 6000 });
  return { received, echoed, send };
}

async function activate(it: Lab, channelId: string | null, epoch: number) {
  const remote = it.gateway.events.filter((e) => e["event"] === "opened").at(-1)?.["channelId"] ?? null;
  const there = channelId === null ? null : remote;
  const far = await call(it.gateway.driver, "setActive", {
    peer: it.client.publicKey,
    channelId: there,
    epoch,
  });
  const near = await call(it.client.driver, "setActive", { peer: it.gateway.publicKey, channelId, epoch });
  assert.ok(far.ok && near.ok, JSON.stringify([far, near]));
  await it.network.settle();
  return near.value as { applied: boolean; epoch: number };
}

test("the pipe carries packets over the active channel and back, and never shows them to a capsule (P1)", async () => {
  const it = await lab();
  const { received, echoed, send } = await ends(it);
  await activate(it, await open(it), 1);
  for (let n = 0; n < 10; n++) send(n);
  await it.network.settle();
  assert.deepEqual(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(echoed, received);
  assert.deepEqual([...new Set([...names(it.client), ...names(it.gateway)])], ["opened"]);
});

test("without an active channel at most 64 packets wait, at most 100 ms, and leave at once with setActive", async () => {
  const it = await lab();
  const { received, send } = await ends(it);
  const first = await open(it);
  for (let n = 0; n < 10; n++) send(n);
  await it.network.clock.advance(101);
  for (let n = 10; n < 80; n++) send(n);
  await it.network.settle();
  assert.equal((await status(it.client.driver)).pipe.queued, 64);
  await activate(it, first, 1);
  assert.deepEqual(
    received,
    Array.from({ length: 64 }, (_, i) => i + 16),
  );
  assert.equal(await counter(it.client.driver, "pipeQueueExpired"), 10);
  assert.equal(await counter(it.client.driver, "pipeQueueFull"), 6);
});

test("a packet on a channel that is not active is dropped and counted, and an old epoch changes nothing (P2, A1)", async () => {
  const it = await lab();
  const { received, send } = await ends(it);
  const first = await open(it, "udp");
  await activate(it, first, 1);
  const second = await open(it, "tcp");
  await activate(it, second, 2);
  // The client falls back on its own: the gateway does not follow.
  const stale = await call(it.client.driver, "setActive", {
    peer: it.gateway.publicKey,
    channelId: first,
    epoch: 1,
  });
  assert.deepEqual(stale, { ok: true, value: { applied: false, epoch: 2 } });
  assert.equal(await counter(it.client.driver, "setActiveStale"), 1);
  await call(it.client.driver, "setActive", { peer: it.gateway.publicKey, channelId: first, epoch: 3 });
  await it.network.settle();
  send(1);
  await it.network.settle();
  assert.deepEqual(received, []);
  assert.equal(await counter(it.gateway.driver, "dataNotActive"), 1);
  const channels = (await status(it.gateway.driver)).channels;
  assert.equal(channels.filter((channel) => channel.active).length, 1);
});

test("a jump from a dead path to a new one keeps the stream: nothing twice, nothing late", async () => {
  const it = await lab();
  const { received, send } = await ends(it);
  await activate(it, await open(it, "udp"), 1);
  let n = 0;
  const stream = async (ms: number) => {
    for (let i = 0; i < ms; i += 10) {
      send(n++);
      await it.network.clock.advance(10);
    }
  };
  await stream(200);
  it.network.middle = (d) => (d.to.port === GATEWAY.port || d.from.port === GATEWAY.port ? [] : [d]);
  await stream(300);
  assert.equal(it.client.events.at(-1)?.["event"], "pathSilent");
  await activate(it, await open(it, "tcp"), 2);
  await stream(200);
  assert.equal(new Set(received).size, received.length);
  assert.deepEqual(
    received,
    [...received].sort((a, b) => a - b),
  );
  assert.ok(received.includes(n - 1));
});

test("a cut TCP connection closes its channel at once at both ends", async () => {
  const it = await lab();
  await open(it, "tcp");
  it.network.cutTcp();
  await it.network.settle();
  for (const node of [it.client, it.gateway])
    assert.equal(node.events.at(-1)?.["reason"], "connectionClosed");
});

test("a start is reported under the node's own key: channels of an earlier process are gone", async () => {
  const { gateway } = await lab();
  assert.deepEqual(gateway.starts, [{ event: "started", peer: gateway.publicKey }]);
});

test("after stop nothing is open, everything was told, and calls are refused", async () => {
  const it = await lab();
  await open(it);
  await it.gateway.driver.stop();
  await it.network.settle();
  assert.equal(it.gateway.events.at(-1)?.["reason"], "transportStopped");
  assert.equal(it.client.events.at(-1)?.["reason"], "peerClosed");
  const answer = await call(it.gateway.driver, "status");
  assert.ok(!answer.ok && answer.code === "TRANSPORT_STOPPED");
});
