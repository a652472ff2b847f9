import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { natsMessenger, openBus } from "@vnes/driver-nats";
import { SeededRandom } from "@vnes/driver-memory";
import type { Clock, Messenger } from "@vnes/kernel";
import { messengerContract } from "../../../contracts/messenger.ts";
import { type NatsServers, startNatsServers } from "./nats-servers.ts";
import { openTcpRelay, type TcpRelay } from "./tcp-relay.ts";

const wallClock: Pick<Clock, "now" | "wakeAt"> = {
  now: () => Date.now(),
  wakeAt: (at, wake) => {
    const timer = setTimeout(wake, Math.max(0, at - Date.now()));
    return () => clearTimeout(timer);
  },
};

let servers: NatsServers;
let namespaces = 0;
before(async () => {
  servers = await startNatsServers({ jetstream: false });
});
after(async () => {
  await servers[Symbol.asyncDispose]();
});

async function join(url: string, namespace: string, node: string, seed: number): Promise<Messenger> {
  const bus = await openBus({ servers: [url], node, noEcho: true });
  return natsMessenger({ bus, namespace, node, clock: wallClock, random: new SeededRandom(seed) });
}

/** A driver hears of its connection by itself; asking is the only way to see that it has. */
async function untilUp(messenger: Messenger, isUp: boolean): Promise<void> {
  for (let round = 0; messenger.publish("probe", new Uint8Array(0)) !== isUp; round++) {
    assert.ok(round < 2_000, "the driver does not notice");
    await sleep(5);
  }
}

messengerContract({
  name: "nats",
  open: async () => {
    const url = servers.urls[0] as string;
    const namespace = `t${++namespaces}`;
    const joined = new Map<string, Messenger>();
    const relays = new Map<string, TcpRelay>();
    return {
      join: async (node) => {
        const relay = await openTcpRelay(url);
        const messenger = await join(relay.url, namespace, node, joined.size + 1);
        joined.set(node, messenger);
        relays.set(node, relay);
        return messenger;
      },
      disconnect: async (node) => {
        relays.get(node)?.cut();
        await untilUp(joined.get(node) as Messenger, false);
      },
      reconnect: async (node) => {
        relays.get(node)?.mend();
        await untilUp(joined.get(node) as Messenger, true);
      },
      cleanup: async () => {
        for (const messenger of joined.values()) await messenger[Symbol.asyncDispose]();
        for (const relay of relays.values()) await relay[Symbol.asyncDispose]();
      },
    };
  },
});

test("on a server of small messages, and on one that comes back as such, requests go in parts and a publish is refused by name (5)", async () => {
  await using own = await startNatsServers({ jetstream: false, extra: "max_payload: 65536" });
  const url = own.urls[0] as string;
  const [a, b] = await Promise.all([join(url, "small", "a", 1), join(url, "small", "b", 2)]);
  b.serve("echo", (payload) => payload);
  const large = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251);
  for (const limit of [65_536, 16_384]) {
    await Promise.all([a, b].map(async (one) => await untilUp(one, true)));
    assert.equal(a.maxPublishBytes, limit);
    assert.ok(Buffer.from(await a.request("b", "echo", large, 10_000)).equals(large));
    assert.throws(() => a.publish("t.large", new Uint8Array(limit + 1)), {
      code: "MESSENGER_PAYLOAD_TOO_LARGE",
    });
    assert.equal(a.publish("t.large", new Uint8Array(limit)), true);
    if (limit === 16_384) break;
    await own.stop();
    await Promise.all([a, b].map(async (one) => await untilUp(one, false)));
    await own.start(0, "max_payload: 16384");
  }
  assert.equal(a.counts()["payload.tooLarge"], 2);
  await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
});

test("a server that hangs costs a bounded number of bytes, then every message is refused and counted", async () => {
  const own = await startNatsServers({ jetstream: false });
  const messenger = await join(own.urls[0] as string, "hang", "a", 1);
  try {
    own.freeze();
    const payload = new Uint8Array(64 * 1024);
    let taken = 0;
    while (messenger.publish("t.x", payload)) taken++;
    assert.ok(taken > 100 && taken < 400, `${taken} messages of 64 KiB were taken`);
    assert.equal(messenger.counts()["publish.slow"], 1);
    const refused = await messenger.request("b", "x", payload, 1_000).catch(String);
    assert.match(String(refused), /does not keep up/);
    own.thaw();
    for (let round = 0; !messenger.publish("t.x", payload); round++) {
      assert.ok(round < 2_000, "it does not go on");
      await sleep(5);
    }
  } finally {
    await messenger[Symbol.asyncDispose]();
    await own[Symbol.asyncDispose]();
  }
});
