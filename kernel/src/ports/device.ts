/**
 * Where a driver capsule runs: a process with the powers its manifest asks for and policy grants. A driver owns no keys
 * and is not replayed; what it reports is recorded as the input of the turn that consumes it.
 */
import type { Answer, Json, LogLine } from "@vnes/schemas";
import type { CapsuleImage } from "../admission/image.ts";

export interface DeviceSpec {
  /** `<capsule id>/<n>`. */
  readonly instance: string;
  readonly image: CapsuleImage;
  readonly entry: string;
  /** Granted powers, such as `net.udp`; anything else is absent. */
  readonly powers: readonly string[];
  readonly config: Json;
  /** Something the driver reports, on an `at_most_once` topic. */
  onPublish(topic: string, key: string, event: Json): void;
  onLog(line: LogLine): void;
  /** Called once when the process is gone without `dispose`. */
  onDeath(reason: string): void;
}

export interface DeviceCall {
  readonly callId: string;
  readonly capability: string;
  readonly method: string;
  readonly input: Json;
}

export interface DeviceInstance {
  /** Resolves with the driver's answer, or with `{ ok: false }` and `DEVICE_DIED` or `DEVICE_BUSY`. */
  call(request: DeviceCall): Promise<Answer>;
  /** Of its process; processor time since it began. */
  meters(): Promise<{ readonly pid: number; readonly memoryBytes: number; readonly cpuMs: number }>;
  /** Stops the driver and ends its process; calls in flight are answered `DEVICE_DIED`. */
  dispose(): Promise<void>;
}

export interface Device {
  /** Resolves once the driver is in service; rejects with a `DEVICE_...` error, `DEVICE_START_FAILED` where it refused to start. */
  open(spec: DeviceSpec): Promise<DeviceInstance>;
  [Symbol.asyncDispose](): Promise<void>;
}
