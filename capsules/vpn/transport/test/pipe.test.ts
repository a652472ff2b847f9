/** Packets between two programs, over the active channel and no other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GATEWAY, lab, call, open, status, counter, ends, activate, names } from "./transport-lab.ts";

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
