/** Packets that say they come from somebody else: no session moves to an address that has not proven itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTACKER, counted, openAttacked } from "../attack.ts";
import { namespacesMissing } from "../namespaces.ts";
import type { Counters } from "../../vpn/said.ts";
import { isOver, PORT, until } from "../nodes.ts";

const skip = namespacesMissing() ?? false;
const GATEWAY = ["10.77.1.1", PORT] as const;
const FRAMES = 5;

test("frames off the wire, repeated, changed or fresh, move nothing when they come from another address, and nobody there is answered", {
  skip,
}, async () => {
  await using attacked = await openAttacked();
  const { nodes, attacker, gateway } = attacked;
  const first = await nodes.until("attached", isOver("wifi"));
  const id = first.session?.id ?? "";
  const active = async () => (await nodes.gateway.transport()).channels.find((channel) => channel.active);
  const before = await active();
  assert.match(before?.remote ?? "", /^10\.77\.1\.2:/);
  const drops = async (what: () => Promise<unknown>, name: string, least: number): Promise<void> => {
    const { counters } = await nodes.gateway.transport();
    await what();
    const look = async (): Promise<Counters> => counted(counters, (await nodes.gateway.transport()).counters);
    await until(name, look, (more) => (more[name] ?? 0) >= least);
  };

  const seen = await gateway.capture(PORT, FRAMES);
  assert.equal(seen.length, FRAMES);
  const from = seen[0]?.from ?? [null, null];
  const sendAll = async (source: readonly [string | null, number | null], change = false): Promise<void> => {
    for (const { payload } of seen) {
      if (change) payload[payload.length - 1] = (payload[payload.length - 1] ?? 0) ^ 1;
      await attacker.send({ to: GATEWAY, from: source, payload });
    }
  };
  await drops(() => sendAll([ATTACKER, 5000]), "frameOtherPath", FRAMES);
  await drops(() => sendAll(from), "frameReplayed", FRAMES);
  await drops(() => sendAll(from, true), "frameForged", FRAMES);

  // Fresh ones, which the gateway has not had: taken off the wire while it has no such address.
  nodes.spaces.ip("gw", "addr del 10.77.1.1/24 dev wifi");
  const fresh = await gateway.capture(PORT, FRAMES);
  nodes.spaces.ip("gw", "addr add 10.77.1.1/24 dev wifi");
  assert.ok(fresh.every(({ from: [address] }) => address === from[0]));
  await attacker.listen();
  const answered = attacker.count(PORT, 1_500);
  await drops(
    async () => {
      for (const { payload } of fresh) await gateway.send({ to: GATEWAY, from: [ATTACKER, 5000], payload });
    },
    "frameOtherPath",
    FRAMES,
  );
  assert.deepEqual(await answered, { packets: 0, bytes: 0 });
  await sleep(500);
  const after = await active();
  assert.deepEqual([after?.remote, after?.pathId], [before?.remote, before?.pathId]);
  const last = await nodes.status();
  assert.ok(isOver("wifi")(last));
  assert.deepEqual([last.session?.id, last.session?.epoch], [id, first.session?.epoch]);
});

test("at the client too: what says it comes from the gateway and is not sealed by it is dropped and counted", {
  skip,
}, async () => {
  await using attacked = await openAttacked();
  const { nodes, gateway } = attacked;
  const first = await nodes.until("attached", isOver("wifi"));
  const { channels } = await nodes.gateway.transport();
  const [, address = "", port = ""] = /^(.+):(\d+)$/.exec(channels[0]?.remote ?? "") ?? [];
  const to = [address, Number(port)] as const;
  const { counters } = await nodes.client.transport();
  const cookie = new Uint8Array(149);
  cookie.set([2, 1, 0, 0]);
  const COUNT = 5_000;
  await gateway.send({ to, from: GATEWAY, payload: cookie, vary: 40, count: COUNT });
  await gateway.send({ to, from: ["10.77.1.1", 4001], payload: cookie, vary: 40, count: COUNT });
  await gateway.send({ to, from: GATEWAY, payload: Uint8Array.of(9, 9, 9, 9), count: COUNT });
  const more = await until(
    "counted",
    async () => counted(counters, (await nodes.client.transport()).counters),
    (seen) => (seen["messageUnexpected"] ?? 0) >= 2 * COUNT && (seen["datagramOtherRemote"] ?? 0) >= COUNT,
  );
  assert.deepEqual([more["messageUnexpected"], more["datagramOtherRemote"]], [2 * COUNT, COUNT]);
  const last = await nodes.status();
  assert.ok(isOver("wifi")(last));
  assert.equal(last.session?.epoch, first.session?.epoch);
});
