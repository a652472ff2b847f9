/**
 * A relay between two ends of a path, which can die: `relay.ts udp|tcp LISTEN_PORT TARGET_HOST TARGET_PORT`, on loopback.
 *
 * It prints `{"kind","port","pid"}` as one line, forwards bytes blindly per client address, and ends on SIGTERM or when its
 * standard input closes. Lines on standard input: `silent` swallows everything from now on while every socket stays open
 * (a path that dies without telling anybody), `silent toTarget` and `silent toClient` what goes one way, `heal` forwards again, `stats` prints what passed. Port 0 takes a free one.
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, connect as dial, type Socket as TcpSocket } from "node:net";
import { createInterface } from "node:readline";

const LOOPBACK = "127.0.0.1";
/** Each client address costs a socket; the demonstration needs one. */
const MAX_CLIENTS = 64;

interface Target {
  readonly host: string;
  readonly port: number;
}

const stats = { toTarget: 0, toClient: 0, swallowed: 0, refused: 0 };
let silent: readonly ("toTarget" | "toClient")[] = [];

/** True when the bytes may pass; counts them either way. */
function pass(direction: "toTarget" | "toClient"): boolean {
  const isSilent = silent.includes(direction);
  stats[isSilent ? "swallowed" : direction] += 1;
  return !isSilent;
}

function relayUdp(listenPort: number, target: Target, ready: (port: number) => void): void {
  const clients = new Map<string, UdpSocket>();
  const front = createSocket("udp4");
  const backFor = (port: number, address: string): UdpSocket => {
    const back = createSocket("udp4");
    back.on("message", (bytes) => {
      if (pass("toClient")) front.send(bytes, port, address);
    });
    back.on("error", fail);
    return back;
  };
  front.on("message", (bytes, from) => {
    const name = `${from.address}:${from.port}`;
    let back = clients.get(name);
    if (!back) {
      if (clients.size >= MAX_CLIENTS) {
        stats.refused += 1;
        return;
      }
      back = backFor(from.port, from.address);
      clients.set(name, back);
    }
    if (pass("toTarget")) back.send(bytes, target.port, target.host);
  });
  front.on("error", fail);
  front.bind(listenPort, LOOPBACK, () => ready(front.address().port));
}

function relayTcp(listenPort: number, target: Target, ready: (port: number) => void): void {
  let open = 0;
  const server = createServer({ noDelay: true }, (client) => {
    if (open >= MAX_CLIENTS) {
      stats.refused += 1;
      client.destroy();
      return;
    }
    open += 1;
    const back = dial({ host: target.host, port: target.port, noDelay: true });
    forward(client, back, "toTarget");
    forward(back, client, "toClient");
    client.once("close", () => {
      open -= 1;
    });
  });
  server.on("error", fail);
  server.listen(listenPort, LOOPBACK, () => ready((server.address() as { port: number }).port));
}

function forward(from: TcpSocket, to: TcpSocket, direction: "toTarget" | "toClient"): void {
  from.on("data", (bytes) => {
    if (!pass(direction) || to.write(bytes)) return;
    from.pause();
    to.once("drain", () => from.resume());
  });
  from.on("error", () => {});
  from.on("close", () => to.destroy());
}

function fail(error: Error): never {
  process.stderr.write(`relay: ${error.message}\n`);
  process.exit(1);
}

function main(): void {
  const [kind, listen, host, port] = process.argv.slice(2);
  const listenPort = Number(listen);
  const target = { host: host ?? "", port: Number(port) };
  const ports = [listenPort, target.port].every((one) => Number.isInteger(one) && one >= 0 && one < 65_536);
  if ((kind !== "udp" && kind !== "tcp") || !ports || target.host === "") {
    process.stderr.write("usage: relay.ts udp|tcp LISTEN_PORT TARGET_HOST TARGET_PORT\n");
    process.exit(2);
  }
  const ready = (at: number) =>
    void process.stdout.write(`${JSON.stringify({ kind, port: at, pid: process.pid })}\n`);
  (kind === "udp" ? relayUdp : relayTcp)(listenPort, target, ready);

  process.once("SIGTERM", () => process.exit(0));
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (line === "silent") silent = ["toTarget", "toClient"];
    else if (line === "silent toTarget") silent = ["toTarget"];
    else if (line === "silent toClient") silent = ["toClient"];
    else if (line === "heal") silent = [];
    else if (line === "stats") process.stdout.write(`${JSON.stringify(stats)}\n`);
    else process.stderr.write(`relay: unknown order ${JSON.stringify(line)}\n`);
  });
  lines.once("close", () => process.exit(0));
}

main();
