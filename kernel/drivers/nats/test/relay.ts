/** A TCP relay in front of a server that can be cut: connections stay open and nothing passes, as behind a dead switch. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Relay {
  readonly url: string;
  /** Nothing passes any more; new connections are taken and stay silent. */
  cut(): void;
  /** As `cut`, and the connections there are end: what was on its way is lost. */
  sever(): void;
  /** Severs, once, where a client first sends something with this text in it, and takes connections as before. */
  severAt(text: string): void;
  /** What was held back passes, and everything after it. */
  mend(): void;
  close(): Promise<void>;
}

export async function openRelay(target: string): Promise<Relay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isCut = false;
  let fatal: string | undefined;
  const isFatal = (data: Buffer): boolean => fatal !== undefined && data.includes(fatal);
  const server = createServer((near) => {
    const far = connect({ host: hostname, port: Number(port) });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (data: Buffer) => {
        if (from === near && isFatal(data)) {
          fatal = undefined;
          for (const socket of sockets) socket.destroy();
        } else to.write(data);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      if (isCut) from.pause();
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `nats://127.0.0.1:${(server.address() as { readonly port: number }).port}`,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.pause();
    },
    sever() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    severAt(text) {
      fatal = text;
    },
    mend() {
      isCut = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
