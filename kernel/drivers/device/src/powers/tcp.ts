/** `net.tcp`: connections to and from IP addresses; names are never resolved. */
import { createServer, isIP, Socket } from "node:net";
import type { Endpoint, TcpConnection, TcpListener, TcpPower } from "@vnes/sdk/driver";
import { codeOf, plain } from "./udp.ts";

export const tcpPower: TcpPower = {
  listen: (options) =>
    new Promise<TcpListener>((resolve, reject) => {
      const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
        const connection = wrap(socket);
        if (connection === null) socket.destroy();
        else options.onConnection(connection);
      });
      server.once("error", reject);
      server.listen({ host: options.address, port: options.port, exclusive: true }, () => {
        server.off("error", reject);
        server.on("error", (error) => options.onError(codeOf(error)));
        const local = server.address() as Endpoint;
        resolve({
          local: { address: local.address, port: local.port },
          close: () => void server.close(),
        });
      });
    }),

  connect: (options) =>
    new Promise<TcpConnection>((resolve, reject) => {
      if (isIP(options.address) === 0) {
        reject(Object.assign(new Error("not an IP address"), { code: "EINVAL" }));
        return;
      }
      const socket = new Socket();
      const deadline = setTimeout(() => {
        socket.destroy();
        reject(Object.assign(new Error("connect timed out"), { code: "ETIMEDOUT" }));
      }, options.timeoutMs);
      const failed = (error: Error) => {
        clearTimeout(deadline);
        reject(error);
      };
      socket.once("error", failed);
      socket.connect({ host: options.address, port: options.port }, () => {
        clearTimeout(deadline);
        socket.setNoDelay(true);
        socket.off("error", failed);
        socket.pause();
        const connection = wrap(socket);
        if (connection === null) reject(Object.assign(new Error("connection lost"), { code: "ECONNRESET" }));
        else resolve(connection);
      });
    }),
};

/** Null when the connection is gone already and its addresses with it. */
function wrap(socket: Socket): TcpConnection | null {
  // Whatever the error, `close` follows it.
  socket.on("error", () => {});
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (localAddress === undefined || remoteAddress === undefined) return null;
  return {
    local: { address: localAddress, port: localPort ?? 0 },
    remote: { address: remoteAddress, port: remotePort ?? 0 },
    buffered: () => socket.writableLength,
    write(bytes) {
      if (socket.writable) socket.write(bytes);
    },
    receive(onBytes, onClose) {
      if (socket.closed) return queueMicrotask(onClose);
      socket.on("data", (chunk) => onBytes(plain(chunk as Buffer)));
      socket.once("close", onClose);
      socket.resume();
    },
    close: () => socket.destroySoon(),
    abort: () => void socket.destroy(),
  };
}
