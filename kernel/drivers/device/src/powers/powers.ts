/** The powers of one driver: clock, bytes, log and publish for everybody, the rest only as granted. */
import type { DriverClock, Powers } from "@vnes/sdk/driver";
import { DeviceFault } from "../fault.ts";
import type { DeviceLease } from "../lease.ts";
import { deviceBytes } from "./bytes.ts";
import { channelCrypto } from "./channel-crypto.ts";
import { deviceClock } from "./clock.ts";
import { leasedTcp, leasedUdp } from "./leased.ts";
import { openIdentity } from "./identity.ts";
import { tcpPower } from "./tcp.ts";
import { udpPower } from "./udp.ts";

export interface PowersOptions {
  readonly granted: readonly string[];
  /** Where the node's long-term key is kept; opened only when `identity` is granted. */
  readonly keyFile: string;
  readonly clock?: DriverClock;
  /** Without it, sockets are silent. */
  readonly lease: Pick<DeviceLease, "isHeld">;
  readonly log: Powers["log"];
  readonly publish: Powers["publish"];
}

const KNOWN = ["net.udp", "net.tcp", "crypto.channel", "identity"];

export function createPowers(options: PowersOptions): Powers {
  const { granted, lease } = options;
  const unknown = granted.find((power) => !KNOWN.includes(power));
  if (unknown !== undefined) throw new DeviceFault("DEVICE_POWER_UNKNOWN", { power: unknown });
  return {
    clock: options.clock ?? deviceClock,
    bytes: deviceBytes,
    log: options.log,
    publish: options.publish,
    ...(granted.includes("net.udp") ? { "net.udp": leasedUdp(udpPower, lease) } : {}),
    ...(granted.includes("net.tcp") ? { "net.tcp": leasedTcp(tcpPower, lease) } : {}),
    ...(granted.includes("crypto.channel") ? { "crypto.channel": channelCrypto } : {}),
    ...(granted.includes("identity") ? { identity: openIdentity(options.keyFile) } : {}),
  };
}
