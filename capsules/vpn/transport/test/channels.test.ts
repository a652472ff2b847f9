/** Channels as capsules hear of them: opened, silent, alive, refused by the system, closed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activate,
  lab,
  RHYTHM,
  call,
  open,
  opening,
  names,
  framesOf,
  status,
  counter,
} from "./transport-lab.ts";

const GONE = `chn_${"0".repeat(20)}`;

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

  test(`over ${kind}, a path that goes silent is reported in time, and again when it is back or dead (LV2)`, async () => {
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
    for (const { events } of [it.client, it.gateway]) {
      const { reason, silentMs, limitMs } = events.at(-1) ?? {};
      if (reason !== "pathDead") continue;
      assert.equal(limitMs, RHYTHM.deadMs);
      assert.ok(Number(silentMs) >= RHYTHM.deadMs && Number(silentMs) <= RHYTHM.deadMs + 100);
    }
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
    test(`over ${kind}, a path that delivers one way only is silent at both ends, is back when both ways are, and dies (LV4): ${lost}`, async () => {
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
      assert.equal(silent?.["limitMs"], lost === "in" ? 200 : undefined, "whose bound it was");
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
  assert.equal((timeout.details as { limitMs?: number }).limitMs, RHYTHM.openTimeoutMs);
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

test("channels that are asked for are told as they are, and those that are not there by name", async () => {
  const it = await lab();
  const channelId = await open(it, "udp");
  const ask = async (): Promise<unknown> => {
    const answer = await call(it.client.driver, "channels", { channelIds: [channelId, GONE] });
    assert.ok(answer.ok);
    return answer.value;
  };
  const told = (silent: boolean, active: boolean) => ({
    channels: [{ channelId, silent, active }],
    unknown: [GONE],
  });
  assert.deepEqual(await ask(), told(false, false));
  await activate(it, channelId, 1);
  assert.deepEqual(await ask(), told(false, true));
  it.network.middle = () => [];
  await it.network.clock.advance(260);
  assert.deepEqual(await ask(), told(true, true));
});
