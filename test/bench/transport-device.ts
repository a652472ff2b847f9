/** The channels of `vpn.transport` as a node has them: the driver in its device process, with one UDP socket on this machine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "@vnes/sdk/driver";
import { openDevice } from "../../kernel/drivers/device/src/index.ts";
import { deviceBytes as bytes } from "../../kernel/drivers/device/src/powers/bytes.ts";
import { bundleCapsule, driverImage } from "../../kernel/drivers/device/test/image.ts";

export interface TransportStatus {
  readonly publicKey: string;
  readonly listeners: readonly { readonly port: number }[];
  readonly channels: readonly unknown[];
  readonly counters: { readonly [name: string]: number };
}

export interface TransportDevice extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly publicKey: Uint8Array;
  status(): Promise<TransportStatus>;
}

/** `config`: beside the listener. */
export async function openTransportDevice(config: JsonObject = {}): Promise<TransportDevice> {
  const dataDir = await mkdtemp(join(tmpdir(), "vnes-bench-"));
  const device = openDevice({ dataDir });
  const main = fileURLToPath(new URL("../../capsules/vpn/transport/src/main.ts", import.meta.url));
  const instance = await device.open({
    instance: "vnes.vpn.transport/0",
    image: driverImage(await bundleCapsule(main)),
    entry: "impl/main.js",
    powers: ["net.udp", "crypto.channel", "identity"],
    config: { ...config, listen: [{ pathId: "bench", kind: "udp", address: "127.0.0.1", port: 0 }] },
    onPublish: () => {},
    onLog: () => {},
    onDeath: () => {},
  });
  const status = async (): Promise<TransportStatus> => {
    const asked = { callId: "s", capability: "vpn.transport", method: "status", input: {} };
    const answer = await instance.call(asked);
    if (!answer.ok) throw new Error(answer.code);
    return answer.value as unknown as TransportStatus;
  };
  const { publicKey: text, listeners } = await status();
  const publicKey = bytes.fromBase64(text);
  if (!publicKey) throw new Error(`${text} is no key`);
  return {
    pid: (await instance.meters()).pid,
    port: listeners[0]?.port ?? 0,
    publicKey,
    status,
    async [Symbol.asyncDispose]() {
      await device[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
