/** Floods from a raw socket: what is not worked on is counted, memory stays flat, and the session beside it does not notice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceBytes } from "../../../kernel/drivers/device/src/powers/bytes.ts";
import { channelCrypto } from "../../../kernel/drivers/device/src/powers/channel-crypto.ts";
import { createGate } from "../../../capsules/vpn/transport/src/gate.ts";
import { createInitiator } from "../../../capsules/vpn/transport/src/initiator.ts";
import { createDerivation } from "../../../capsules/vpn/transport/src/keys.ts";
import { encodeInitiate } from "../../../capsules/vpn/transport/src/wire.ts";
import { counted, memoryBelow, openAttacked } from "../attack.ts";
import { namespacesMissing } from "../namespaces.ts";
import type { Counters } from "../../vpn/said.ts";
import { isOver, PORT, until } from "../nodes.ts";
import type { From } from "../raw.ts";

const skip = namespacesMissing() ?? false;
const GATEWAY = ["10.77.1.1", PORT] as const;
const PACKETS = 15_000;
/** Young garbage comes and goes; a byte kept for each packet would be more. */
const FLAT_MB = 24;

interface Flood {
  readonly what: string;
  readonly payload: Uint8Array;
  readonly from: From;
  readonly vary?: number;
  /** Each packet is one of these. */
  readonly counters: readonly string[];
}

test("floods of hellos, cookies, frames and noise under any address are counted packet by packet, at flat memory, beside a session that goes on", {
  skip,
}, async () => {
  await using attacked = await openAttacked();
  const { nodes, attacker, gateway } = attacked;
  const first = await nodes.until("attached", isOver("wifi"));
  const { publicKey } = await nodes.gateway.transport();
  const [seen] = await gateway.capture(PORT, 1);
  assert.ok(seen);
  const anywhere: From = [null, null];
  const floods: readonly Flood[] = [
    {
      ...{ what: "noise", payload: new Uint8Array(100), from: anywhere, vary: 0 },
      counters: ["messageMalformed"],
    },
    {
      ...{
        what: "hellos of who does not know the key",
        payload: helloTo(publicKey),
        from: anywhere,
        vary: 180,
      },
      counters: ["gateClosed"],
    },
    {
      ...{ what: "hellos of who knows it", payload: helloTo(publicKey), from: anywhere },
      // Those within the tokens of everybody together are answered with a cookie, and counted below.
      counters: ["handshakeRateGlobal", "handshakeRateRemote"],
    },
    {
      ...{ what: "initiates with cookies nobody made", payload: initiateTo(publicKey), from: anywhere },
      counters: ["cookieInvalid"],
    },
    {
      ...{ what: "frames in the client's name", payload: seen.payload, from: seen.from, vary: 20 },
      counters: ["frameForged"],
    },
    {
      ...{ what: "frames of channels that are none", payload: seen.payload, from: anywhere, vary: 4 },
      counters: ["frameUnknownChannel"],
    },
  ];
  const { pid } = nodes.gateway.booted;
  const memory: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    for (const { what, payload, from, vary = -1, counters } of floods) {
      const before = (await nodes.gateway.transport()).counters;
      const lost = bufferErrors(nodes.spaces.run("gw", ["cat", "/proc/net/snmp"]));
      // Before the first packet: its answer is back before a busy machine would have begun to listen.
      await attacker.listen();
      const [{ sent }, back] = await Promise.all([
        gateway.send({ to: GATEWAY, from, payload, vary, count: PACKETS }),
        attacker.count(PORT, 2_500, 1_000),
      ]);
      const told = (more: Counters): number => counters.reduce((sum, name) => sum + (more[name] ?? 0), 0);
      const missing = (more: Counters): number =>
        sent -
        told(more) -
        back.packets -
        (bufferErrors(nodes.spaces.run("gw", ["cat", "/proc/net/snmp"])) - lost);
      const look = async (): Promise<Counters> => counted(before, (await nodes.gateway.transport()).counters);
      const more = await until(what, look, (now) => missing(now) <= 0);
      assert.ok(told(more) > 0, `${what}: ${JSON.stringify(more)}`);
      if (what !== "hellos of who knows it")
        assert.equal(back.packets, 0, `${what} is answered with nothing`);
      else {
        assert.ok(back.packets > 0 && back.packets < PACKETS / 2, `${back.packets} cookies`);
        assert.ok(back.bytes < back.packets * payload.length, "an answer is smaller than what it answers");
      }
    }
    memory.push(memoryBelow(pid).reduce((sum, mb) => sum + mb, 0));
  }
  const [before = 0, after = 0] = memory;
  assert.ok(after - before < FLAT_MB, `${before} MB, then ${after} MB`);
  const last = await nodes.status();
  assert.ok(isOver("wifi")(last), JSON.stringify(last));
  assert.deepEqual([last.session?.id, last.session?.epoch], [first.session?.id, first.session?.epoch]);
  assert.ok(
    last.recent.every(({ event }) => event !== "suspected"),
    "the neighbour never doubted its path",
  );
});

function helloTo(publicKey: string): Uint8Array {
  const identity = channelCrypto.keyPair();
  const responder = deviceBytes.fromBase64(publicKey) ?? new Uint8Array(0);
  const parts = { crypto: channelCrypto, bytes: deviceBytes, identity, responder, index: 1 };
  return createInitiator(parts)?.current() ?? new Uint8Array(0);
}

/** Passes the gate; its cookie was made by nobody. */
function initiateTo(publicKey: string): Uint8Array {
  const responder = deviceBytes.fromBase64(publicKey) ?? new Uint8Array(0);
  const { random } = channelCrypto;
  const message = encodeInitiate({ ephemeral: random(32), cookie: random(73), box: random(84) });
  createGate(channelCrypto, createDerivation(channelCrypto, deviceBytes).label, responder).close(message);
  return message;
}

/** Datagrams the system dropped because the socket's buffer was full, before any program could count them. */
function bufferErrors(snmp: string): number {
  const [names = "", values = ""] = snmp.split("\n").filter((line) => line.startsWith("Udp:"));
  return Number(values.split(" ")[names.split(" ").indexOf("RcvbufErrors")]);
}
