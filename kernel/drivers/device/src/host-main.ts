/** The device host: one process, one driver, the powers it was granted. Started by `device.ts`, told what to run over the protocol. */
import type { LogLine } from "@vnes/schemas";
import type { DriverRunner } from "./driver-runner.ts";
import { reasonOf, startDriver } from "./driver-runner.ts";
import type { FromDevice, ToDevice } from "./messages.ts";
import { createPowers } from "./powers/powers.ts";

let runner: DriverRunner | null = null;
const send = (message: FromDevice) => void process.send?.(message);

async function receive(message: ToDevice): Promise<void> {
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
    case "stop":
      await runner?.stop();
      return send({ did: "stop" });
  }
}

async function start(message: Extract<ToDevice, { do: "start" }>): Promise<void> {
  const log = (level: LogLine["level"], text: string, data?: LogLine["data"]) =>
    send({
      did: "log",
      line: data === undefined ? { level, message: text } : { level, message: text, data },
    });
  const publish = (topic: string, key: string, event: LogLine["data"] & {}) =>
    send({ did: "publish", topic, key, event });
  try {
    const { instance, entry, bundle, config, powers: granted, keyFile } = message;
    const powers = () => createPowers({ granted, keyFile, log, publish });
    runner = await startDriver({ instance, entry, bundle, config, powers });
    send({ did: "start" });
  } catch (cause) {
    const error = cause as { readonly code?: unknown; readonly details?: FromDevice & { details: object } };
    const code = typeof error.code === "string" ? error.code : "DEVICE_START_FAILED";
    const details = (error.details ?? { reason: reasonOf(cause) }) as Extract<
      FromDevice,
      { did: "fail" }
    >["details"];
    send({ did: "fail", code, message: reasonOf(cause), details });
  }
}
process.on("message", (m) => void receive(m as ToDevice));
