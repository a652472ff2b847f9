/** Sockets that are dumb and deaf while the driver's lease is lost: what they would have sent or handed on is dropped and said as an error. */
import type { TcpConnection, TcpPower, UdpPower } from "@vnes/sdk/driver";
import type { DeviceLease } from "../lease.ts";

type Held = Pick<DeviceLease, "isHeld">;

/** In the place of a system's code. */
export const LEASE_LOST = "LEASE_LOST";

export function leasedUdp(power: UdpPower, lease: Held): UdpPower {
  return {
    addresses: () => power.addresses(),
    async open(options) {
      const socket = await power.open({
        ...options,
        onDatagram(bytes, remote) {
          if (lease.isHeld()) options.onDatagram(bytes, remote);
          else options.onError(LEASE_LOST);
        },
      });
      return {
        ...socket,
        send(bytes, remote) {
          if (lease.isHeld()) socket.send(bytes, remote);
          else options.onError(LEASE_LOST);
        },
      };
    },
  };
}

export function leasedTcp(power: TcpPower, lease: Held): TcpPower {
  return {
    listen: (options) =>
      power.listen({
        ...options,
        onConnection(connection) {
          if (lease.isHeld()) return options.onConnection(leasedConnection(connection, lease));
          options.onError(LEASE_LOST);
          connection.abort();
        },
      }),
    async connect(options) {
      if (!lease.isHeld()) throw Object.assign(new Error("the lease is lost"), { code: LEASE_LOST });
      return leasedConnection(await power.connect(options), lease);
    },
  };
}

/** A stream cannot leave bytes out: it ends with the first that may not pass. */
function leasedConnection(connection: TcpConnection, lease: Held): TcpConnection {
  return {
    ...connection,
    write(bytes) {
      if (lease.isHeld()) connection.write(bytes);
      else connection.abort();
    },
    receive(onBytes, onClose) {
      connection.receive((bytes) => {
        if (lease.isHeld()) onBytes(bytes);
        else connection.abort();
      }, onClose);
    },
  };
}
