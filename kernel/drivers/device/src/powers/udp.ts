/** `net.udp`: datagrams to and from IP addresses; names are never resolved. */
import { createSocket, type Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import type { UdpPower, UdpSocket } from "@vnes/sdk/driver";

/** Some hundred full frames may wait while the loop is busy; the system caps it at its own limit. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

export const udpPower: UdpPower = {
  addresses() {
    const all = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address));
    return [...new Set(all)].sort();
  },

  open: (options) =>
    new Promise<UdpSocket>((resolve, reject) => {
      const v6 = options.address.includes(":");
      const socket = createSocket({
        type: v6 ? "udp6" : "udp4",
        recvBufferSize: RECEIVE_BUFFER_BYTES,
        lookup: (address, _options, done) => done(null, address, v6 ? 6 : 4),
      });
      socket.once("error", reject);
      socket.bind({ address: options.address, port: options.port, exclusive: true }, () => {
        socket.off("error", reject);
        socket.on("error", (error) => options.onError(codeOf(error)));
        socket.on("message", (message, from) =>
          options.onDatagram(plain(message), { address: from.address, port: from.port }),
        );
        resolve(opened(socket, (code) => options.onError(code)));
      });
    }),
};

function opened(socket: Socket, onError: (code: string) => void): UdpSocket {
  const { address, port } = socket.address();
  let open = true;
  const sent = (error: Error | null) => {
    if (error && open) onError(codeOf(error));
  };
  return {
    local: { address, port },
    send(bytes, remote) {
      if (open) socket.send(bytes, remote.port, remote.address, sent);
    },
    close() {
      if (!open) return;
      open = false;
      socket.close();
    },
  };
}

/** Without the pool's other bytes, and with the `slice` that copies. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

export function codeOf(error: unknown): string {
  return (error as { code?: string } | null)?.code ?? "UNKNOWN";
}
