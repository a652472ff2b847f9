/**
 * Relays on the ways between the servers of a cluster: one of them can be cut off from the others while its clients still reach
 * it. Connections stay open, and what is said over them waits until the cut is mended, as behind a switch that is dead for a while.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

const HOST = "127.0.0.1";
/** A server that connects to another says its name first, as `startNatsServers` gave it. */
const NAME = /"server_name":"n(\d)"/;

/** One connection between two servers. */
interface Way {
  readonly to: number;
  /** Undefined until the server that connected has said its name. */
  from: number | undefined;
  /** What is held back, in the order it came. */
  waiting: { readonly socket: Socket; readonly data: Buffer }[];
}

export class ClusterRelays implements AsyncDisposable {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #ways = new Set<Way>();
  #cutOff: number | undefined;

  /** A relay in front of each port; resolves to theirs. What `startNatsServers` takes as `through`. */
  async open(ports: readonly number[]): Promise<readonly number[]> {
    return await Promise.all(
      ports.map(async (port, to) => {
        const server = createServer((near) => this.#join(near, port, to)).listen(0, HOST);
        this.#servers.push(server);
        await once(server, "listening");
        return (server.address() as { readonly port: number }).port;
      }),
    );
  }

  /** Nothing passes between this server and the others any more, either way. */
  cutOff(server: number): void {
    this.#cutOff = server;
  }

  /** What was held back passes, and everything after it. */
  mend(): void {
    this.#cutOff = undefined;
    for (const way of this.#ways) this.#flush(way);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map(async (server) => await new Promise((done) => server.close(done))));
  }

  #join(near: Socket, port: number, to: number): void {
    const far = connect({ host: HOST, port });
    const way: Way = { to, from: undefined, waiting: [] };
    this.#ways.add(way);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on("data", (data: Buffer) => {
        if (one === near) way.from ??= nameIn(data);
        way.waiting.push({ socket: other, data });
        this.#flush(way);
      });
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        this.#ways.delete(way);
        other.destroy();
      });
    }
  }

  #flush(way: Way): void {
    if (this.#isCut(way)) return;
    for (const { socket, data } of way.waiting.splice(0)) socket.write(data);
  }

  /** Of a connection that is made meanwhile nobody knows whose it is until it says so. */
  #isCut({ from, to }: Way): boolean {
    if (this.#cutOff === undefined) return false;
    return from === undefined || from === this.#cutOff || to === this.#cutOff;
  }
}

function nameIn(data: Buffer): number | undefined {
  const name = NAME.exec(data.toString("latin1"))?.[1];
  return name === undefined ? undefined : Number(name);
}
