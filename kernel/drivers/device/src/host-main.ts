/** The device host: one process, one driver, the powers it was granted. Started by `device.ts`, told what to run over the protocol. */
import { serveHost } from "@vnes/driver-host/serve";
import type { LogLine } from "@vnes/schemas";
import { type DriverRunner, reasonOf, startDriver } from "./driver-runner.ts";
import { DeviceFault } from "./fault.ts";
import { createDeviceLease, LEASE_MS } from "./lease.ts";
import type { FromDevice, ToDevice } from "./messages.ts";
import { deviceClock } from "./powers/clock.ts";
import { createPowers } from "./powers/powers.ts";

let runner: DriverRunner | null = null;
const kernel = serveHost((message) => void receive(message as ToDevice));
const send = (message: FromDevice): void => kernel.send(message);
const log = (level: LogLine["level"], text: string, data?: LogLine["data"]): void =>
  send({
    did: "log",
    line: data === undefined ? { level, message: text } : { level, message: text, data },
  });
const lease = createDeviceLease({
  clock: deviceClock,
  leaseMs: LEASE_MS,
  onLost(silentMs) {
    runner?.leaseLost();
    log("warn", "the kernel says nothing: the driver is silent until it is heard again", { silentMs });
  },
  onHeld: (silentMs) => log("warn", "the kernel is heard again: the driver acts again", { silentMs }),
});

async function receive(message: ToDevice): Promise<void> {
  lease.heard();
  switch (message.do) {
    case "start":
      return start(message);
    case "call": {
      const { id, capability, method, input } = message;
      if (runner === null) return;
      return send({ did: "answer", id, answer: await runner.call(capability, method, input) });
    }
    case "meters": {
      const { user, system } = process.cpuUsage();
      const memoryBytes = process.memoryUsage.rss();
      return send({ did: "meters", id: message.id, memoryBytes, cpuMs: Math.round((user + system) / 1000) });
    }
    case "beat":
      return;
    case "stop":
      await runner?.stop();
      return send({ did: "stop" });
  }
}

async function start(message: Extract<ToDevice, { do: "start" }>): Promise<void> {
  const publish = (topic: string, key: string, event: LogLine["data"] & {}) =>
    send({ did: "publish", topic, key, event });
  try {
    const { instance, entry, bundle, config, powers: granted, keyFile } = message;
    const powers = () => createPowers({ granted, keyFile, lease, log, publish });
    runner = await startDriver({ instance, entry, bundle, config, powers });
    send({ did: "start" });
  } catch (cause) {
    const fault = cause instanceof DeviceFault ? cause : null;
    const code = fault?.code ?? "DEVICE_START_FAILED";
    const details = fault?.details ?? { reason: reasonOf(cause) };
    send({ did: "fail", code, message: reasonOf(cause), details });
  }
}
