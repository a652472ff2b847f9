/** The transport capsule as it really runs: bundled, in device hosts, over UDP and TCP on loopback, through relays that die. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Device, DeviceInstance } from "@vnes/kernel";
import type { Answer, Json, JsonObject } from "@vnes/schemas";
import { openDevice } from "../src/index.ts";
import { udpPower } from "../src/powers/udp.ts";
import { bundleCapsule, driverImage } from "./image.ts";

const MAIN = fileURLToPath(new URL("../../../../capsules/vpn/transport/src/main.ts", import.meta.url));
const RELAY = fileURLToPath(new URL("../../../../test/demo/relay.ts", import.meta.url));
const LOOPBACK = "127.0.0.1";
const POWERS = ["net.udp", "net.tcp", "crypto.channel", "identity"];
// Slack for a loaded machine: a host that does not get the CPU for long is silent, too.
const RHYTHM = { keepaliveMs: 50, silentMs: 400, deadMs: 3000 };

let bundle: string;
const cleanups: (() => unknown)[] = [];
before(async () => {
  bundle = await bundleCapsule(MAIN);
});
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

class Node {
  readonly device: Device;
  instance!: DeviceInstance;
  readonly events: JsonObject[] = [];
  readonly deaths: string[] = [];
  readonly #waiters = new Set<() => void>();
  publicKey = "";

  private constructor(device: Device) {
    this.device = device;
  }

  static async open(config: JsonObject): Promise<Node> {
    const dataDir = await mkdtemp(join(tmpdir(), "vnes-transport-"));
    const node = new Node(openDevice({ dataDir }));
    cleanups.push(() => rm(dataDir, { recursive: true, force: true }));
    cleanups.push(() => node.device[Symbol.asyncDispose]());
    await node.start(config);
    return node;
  }

  async start(config: JsonObject): Promise<void> {
    this.instance = await this.device.open({
      instance: "vnes.vpn.transport/0",
      image: driverImage(bundle),
      entry: "impl/main.js",
      powers: POWERS,
      config: { ...RHYTHM, ...config },
      onPublish: (_topic, _key, event) => {
        this.events.push(event as JsonObject);
        for (const wake of this.#waiters) wake();
      },
      onLog: () => {},
      onDeath: (reason) => void this.deaths.push(reason),
    });
    this.publicKey = ((await this.status()) as { publicKey: string }).publicKey;
  }

  ask(method: string, input: Json = {}): Promise<Answer> {
    return this.instance.call({ callId: "c", capability: "vpn.transport", method, input });
  }

  async status(): Promise<JsonObject> {
    const answer = await this.ask("status");
    assert.ok(answer.ok);
    return answer.value as JsonObject;
  }

  async until(what: string, found: (event: JsonObject) => boolean, ms = 5000): Promise<JsonObject> {
    const end = Date.now() + ms;
    for (;;) {
      const event = this.events.find(found);
      if (event) return event;
      if (Date.now() > end) assert.fail(`no ${what} in ${ms} ms: ${JSON.stringify(this.events)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        const wake = () => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
  }

  is = (event: string, more: JsonObject = {}) =>
    this.until(event, (e) => e["event"] === event && Object.entries(more).every(([k, v]) => e[k] === v));
}

interface Relay {
  readonly port: number;
  order(line: string): void;
  stop(): Promise<void>;
}

async function relay(kind: "udp" | "tcp", port: number): Promise<Relay> {
  const child: ChildProcess = spawn(process.execPath, [RELAY, kind, "0", LOOPBACK, String(port)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  assert.ok(child.stdout && child.stdin);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  cleanups.push(stop);
  const { stdin } = child;
  return { port: JSON.parse(String(line)).port, order: (text) => void stdin.write(`${text}\n`), stop };
}

async function socket(onMessage: (bytes: Buffer, reply: (bytes: Buffer) => void) => void): Promise<Socket> {
  const made = createSocket("udp4");
  made.on("message", (bytes, from) => onMessage(bytes, (back) => made.send(back, from.port, from.address)));
  made.bind(0, LOOPBACK);
  await once(made, "listening");
  cleanups.push(() => made.close());
  return made;
}

const LISTEN = [
  { pathId: "wan-udp", kind: "udp", address: LOOPBACK, port: 0 },
  { pathId: "wan-tcp", kind: "tcp", address: LOOPBACK, port: 0 },
];
const portsOf = async (node: Node): Promise<{ udp: number; tcp: number }> => {
  const listeners = (await node.status())["listeners"] as { kind: "udp" | "tcp"; port: number }[];
  const port = (kind: string) => listeners.find((one) => one.kind === kind)?.port ?? 0;
  return { udp: port("udp"), tcp: port("tcp") };
};
const openChannel = async (from: Node, kind: "udp" | "tcp", port: number, peer: string): Promise<string> => {
  const answer = await from.ask("open", { pathId: `to-${kind}`, kind, address: LOOPBACK, port, peer });
  assert.ok(answer.ok, JSON.stringify(answer));
  return (answer.value as { channelId: string }).channelId;
};

test("frames travel over real UDP and TCP, and a host that is killed is one event for its peer", async () => {
  const gateway = await Node.open({ listen: LISTEN });
  const client = await Node.open({});
  const ports = await portsOf(gateway);
  const channels = [];
  for (const kind of ["udp", "tcp"] as const) {
    const channelId = await openChannel(client, kind, ports[kind], gateway.publicKey);
    channels.push(channelId);
    const there = await gateway.is("opened", { pathId: `wan-${kind}` });
    assert.equal(there["peer"], client.publicKey);
    assert.equal((await client.ask("send", { channelId, frame: { kind } })).ok, true);
    const arrived = await gateway.is("frame", { pathId: `wan-${kind}` });
    assert.deepEqual(arrived["frame"], { kind });
    const back = { channelId: there["channelId"] ?? null, frame: { back: kind } };
    assert.equal((await gateway.ask("send", back)).ok, true);
    assert.deepEqual((await client.is("frame", { channelId }))["frame"], { back: kind });
  }
  const key = gateway.publicKey;
  const { pid } = await gateway.instance.meters();
  const owed = client.ask("status");
  process.kill(pid, "SIGKILL");
  assert.equal((await client.is("closed", { pathId: "to-tcp" }))["reason"], "connectionClosed");
  await client.is("pathSilent", { pathId: "to-udp" });
  assert.equal((await client.is("closed", { pathId: "to-udp" }))["reason"], "pathDead");
  assert.equal(gateway.deaths.length, 1);
  assert.ok((await owed).ok);
  // A new process has the same identity, no old channel, and serves again.
  gateway.events.length = 0;
  await gateway.start({ listen: LISTEN });
  assert.equal(gateway.publicKey, key);
  await openChannel(client, "udp", (await portsOf(gateway)).udp, key);
  await gateway.is("opened");
});

/** Polls: what a busy machine delays is not what is tested. */
async function until(holds: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < giveUpAt, what);
    await sleep(5);
  }
}

test("a stream through the pipe survives its relay: nothing twice, nothing out of order", async () => {
  const received: { n: number; at: number }[] = [];
  const target = await socket((bytes, reply) => {
    received.push({ n: bytes.readUInt32BE(0), at: performance.now() });
    reply(bytes);
  });
  const gateway = await Node.open({
    listen: LISTEN,
    pipe: { forward: { address: LOOPBACK, port: target.address().port } },
  });
  const client = await Node.open({
    pipe: { listen: { address: LOOPBACK, port: 0 }, peer: gateway.publicKey },
  });
  const ports = await portsOf(gateway);
  const [udp, tcp] = [await relay("udp", ports.udp), await relay("tcp", ports.tcp)];
  const echoed: number[] = [];
  const app = await socket((bytes) => void echoed.push(bytes.readUInt32BE(0)));
  const pipePort = ((await client.status())["pipe"] as { listen: { port: number } }).listen.port;

  const activate = async (channelId: string, pathId: string, epoch: number) => {
    const there = await gateway.is("opened", { pathId });
    const far = { peer: client.publicKey, channelId: there["channelId"] ?? null, epoch };
    const near = { peer: gateway.publicKey, channelId, epoch };
    assert.ok((await gateway.ask("setActive", far)).ok);
    assert.ok((await client.ask("setActive", near)).ok);
  };
  await activate(await openChannel(client, "udp", udp.port, gateway.publicKey), "wan-udp", 1);
  let n = 0;
  const timer = setInterval(() => {
    const packet = Buffer.alloc(64);
    packet.writeUInt32BE(n++);
    app.send(packet, pipePort, LOOPBACK);
  }, 5);
  cleanups.push(() => clearInterval(timer));
  await until(() => received.length > 20, "the stream flows");
  udp.order("silent");
  await client.is("pathSilent");
  await activate(await openChannel(client, "tcp", tcp.port, gateway.publicKey), "wan-tcp", 2);
  const jumpedAt = n;
  await until(() => (received.at(-1)?.n ?? 0) > jumpedAt + 20, "the stream goes on");
  await until(() => (echoed.at(-1) ?? 0) > jumpedAt, "and comes back");
  clearInterval(timer);
  const numbers = received.map((one) => one.n);
  assert.equal(new Set(numbers).size, numbers.length, "nothing twice");
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
    "nothing out of order",
  );
});

for (const kind of ["udp", "tcp"] as const) {
  for (const way of ["toTarget", "toClient"] as const) {
    test(`a real ${kind} path that delivers one way only (${way} is lost) is silent at both ends, and alive at both when it heals`, async () => {
      const gateway = await Node.open({ listen: LISTEN });
      const client = await Node.open({});
      const between = await relay(kind, (await portsOf(gateway))[kind]);
      await openChannel(client, kind, between.port, gateway.publicKey);
      await gateway.is("opened");
      between.order(`silent ${way}`);
      const lostWay = way === "toTarget" ? "out" : "in";
      await client.is("pathSilent", { direction: lostWay });
      await gateway.is("pathSilent", { direction: lostWay === "out" ? "in" : "out" });
      between.order("heal");
      await client.is("pathAlive");
      await gateway.is("pathAlive");
      await between.stop();
    });
  }
}

test("a real captive portal that takes the connection and talks HTTP is named, and so is one that says nothing", async () => {
  const gateway = await Node.open({ listen: LISTEN });
  const client = await Node.open({ openTimeoutMs: 1000 });
  const portal = createServer((connection) => {
    connection.on("error", () => {});
    connection.once("data", () =>
      connection.end("HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n"),
    );
  });
  const mute = createServer((connection) => void connection.on("error", () => {}).resume());
  for (const [server, code] of [
    [portal, "TRANSPORT_OPEN_FOREIGN"],
    [mute, "TRANSPORT_OPEN_TIMEOUT"],
  ] as const) {
    server.listen(0, LOOPBACK);
    await once(server, "listening");
    cleanups.push(() => server.close());
    const { port } = server.address() as { port: number };
    const target = { pathId: "portal", kind: "tcp", address: LOOPBACK, port, peer: gateway.publicKey };
    const answer = await client.ask("open", target);
    assert.ok(!answer.ok && answer.code === code, JSON.stringify(answer));
  }
  assert.deepEqual((await client.status())["channels"], []);
});

test("a machine knows its own addresses, each once", () => {
  const addresses = udpPower.addresses();
  assert.ok(addresses.includes(LOOPBACK), addresses.join(" "));
  assert.deepEqual(addresses, [...new Set(addresses)].sort());
});

test("on real sockets strangers get nothing: no datagram back, a closed connection, and are counted", async () => {
  const gateway = await Node.open({ listen: LISTEN, handshakeMs: 300 });
  const ports = await portsOf(gateway);
  let answered = 0;
  const stranger = await socket(() => void answered++);
  for (let i = 0; i < 200; i++) {
    const noise = Buffer.alloc(192, i);
    noise.set([1 + (i % 4), 1, 0, 0]);
    stranger.send(noise, ports.udp, LOOPBACK);
  }
  const slow = connect(ports.tcp, LOOPBACK);
  const wrong = connect(ports.tcp, LOOPBACK);
  for (const one of [slow, wrong]) {
    one.on("error", () => {});
    one.on("data", () => answered++);
  }
  slow.write(Buffer.of(0));
  wrong.write(Buffer.alloc(100, 0xff));
  await Promise.all([once(slow, "close"), once(wrong, "close")]);
  await sleep(50);
  assert.equal(answered, 0);
  assert.deepEqual(
    gateway.events.map((event) => event["event"]),
    ["started"],
  );
  const { counters, channels } = (await gateway.status()) as {
    counters: Record<string, number>;
    channels: Json;
  };
  assert.deepEqual(channels, []);
  assert.equal(counters["connectionHandshakeTimeout"], 1);
  assert.equal(counters["connectionRefused"], 1);
  const dropped = ["messageMalformed", "gateClosed", "messageUnexpected", "frameUnknownChannel"];
  assert.equal(
    dropped.reduce((sum, name) => sum + (counters[name] ?? 0), 0),
    200,
  );
});

test("a port that is taken stops the start with the port in the reason", async () => {
  const first = await Node.open({ listen: LISTEN });
  const { tcp } = await portsOf(first);
  const taken = { listen: [{ pathId: "again", kind: "tcp", address: LOOPBACK, port: tcp }] };
  await assert.rejects(Node.open(taken), {
    code: "DEVICE_START_FAILED",
    message: new RegExp(`again.*${tcp}.*EADDRINUSE`),
  });
});

test("stopped while channels are open, a host tells its peers and leaves no process", async () => {
  const gateway = await Node.open({ listen: LISTEN });
  const client = await Node.open({});
  await openChannel(client, "udp", (await portsOf(gateway)).udp, gateway.publicKey);
  await gateway.is("opened");
  const { pid } = await gateway.instance.meters();
  await gateway.instance.dispose();
  assert.equal((await client.is("closed"))["reason"], "peerClosed");
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  assert.deepEqual(gateway.deaths, []);
});
