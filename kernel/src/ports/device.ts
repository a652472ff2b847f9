/**
 * Where a driver capsule runs: a process with the powers its manifest asks for and policy grants. A driver owns no keys
 * and is not replayed; what it reports is recorded as the input of the turn that consumes it.
 */
import type { Answer, Json, LogLine } from "@vnes/schemas";
import type { CapsuleImage } from "../admission/image.ts";

export interface DeviceSpec {
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
  /** Resolves with the driver's answer, or `{ ok: false, code: "DEVICE_DIED" }`. */
  call(request: DeviceCall): Promise<Answer>;
  meters(): Promise<{ readonly pid: number; readonly memoryBytes: number; readonly cpuMs: number }>;
  dispose(): Promise<void>;
}

export interface Device {
  open(spec: DeviceSpec): Promise<DeviceInstance>;
  [Symbol.asyncDispose](): Promise<void>;
}
