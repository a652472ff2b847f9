/** A way to a server that can be cut: connections end and new ones are refused until it is mended. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface TcpRelay {
  readonly url: string;
  /** How many connections go through it now. */
  readonly connections: number;
  cut(): void;
  mend(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openTcpRelay(url: string): Promise<TcpRelay> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let isCut = false;
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect({ host: hostname, port: Number(port) });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as { readonly port: number };
  return {
    url: `nats://127.0.0.1:${address.port}`,
    get connections() {
      return sockets.size / 2;
    },
    cut() {
      isCut = true;
      end();
    },
    mend() {
      isCut = false;
    },
    async [Symbol.asyncDispose]() {
      end();
      await new Promise((done) => server.close(done));
    },
  };
}
