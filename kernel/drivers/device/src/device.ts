/**
 * `Device`: one child process for each driver capsule (ADR 0005). It owns the processes and the calls in flight; when
 * a process is gone every call it owed is answered `DEVICE_DIED`, and whoever opened it decides what next.
 */
import { join } from "node:path";
import { builtProgram, type HostProcess, spawnHost } from "@vnes/driver-host";
import type { CapsuleImage, Device, DeviceCall, DeviceInstance, DeviceSpec } from "@vnes/kernel";
import { imageFile } from "@vnes/kernel";
import type { Answer, ErrorDetails, VnesError } from "@vnes/schemas";
import { type DeviceCode, deviceErrors } from "./errors.ts";
import { BEAT_MS } from "./lease.ts";
import { isDetails, parseFromDevice } from "./messages.ts";

export interface DeviceOptions {
  /** The node's directory; its long-term key is kept in `keys/transport.key` below it. */
  readonly dataDir: string;
}

/** A driver binds sockets and reads a key: slower than this it hangs. */
const START_TIMEOUT_MS = 10_000;
/** For farewells to peers; then the process is killed. */
const STOP_GRACE_MS = 1000;
/** Far more than a healthy driver ever owes; beyond it callers are told instead of queued. */
const MAX_CALLS_IN_FLIGHT = 4096;

interface Waiting {
  readonly request: DeviceCall;
  resolve(answer: Answer): void;
}

export function openDevice(options: DeviceOptions): Device {
  const open = new Set<DeviceProcess>();
  const keyFile = join(options.dataDir, "keys", "transport.key");
  return {
    async open(spec) {
      const device = new DeviceProcess(spec, keyFile);
      open.add(device);
      try {
        await device.start();
      } catch (cause) {
        open.delete(device);
        throw cause;
      }
      return device;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((device) => device.dispose()));
      open.clear();
    },
  };
}

class DeviceProcess implements DeviceInstance {
  readonly #spec: DeviceSpec;
  readonly #keyFile: string;
  readonly #calls = new Map<number, Waiting>();
  readonly #meters = new Map<number, (meters: { memoryBytes: number; cpuMs: number }) => void>();
  #host: HostProcess | undefined;
  #next = 0;
  #state: "starting" | "running" | "stopping" | "gone" = "starting";
  #reason = "it was stopped";
  /** Why we ended the process ourselves. */
  #verdict: string | undefined;
  #started: PromiseWithResolvers<void> = Promise.withResolvers();
  #stopped: PromiseWithResolvers<void> = Promise.withResolvers();
  #disposing: Promise<void> | undefined;
  #beats: NodeJS.Timeout | undefined;

  constructor(spec: DeviceSpec, keyFile: string) {
    this.#spec = spec;
    this.#keyFile = keyFile;
    // It may fail before or after somebody waits for it.
    this.#started.promise.catch(() => {});
  }

  async start(): Promise<void> {
    const { instance, entry, image, powers, config } = this.#spec;
    const bundle = bundleOf(instance, image, entry);
    const timer = setTimeout(() => {
      this.#started.reject(
        deviceErrors.create("DEVICE_START_FAILED", {
          instance,
          reason: `nothing after ${START_TIMEOUT_MS} ms`,
        }),
      );
    }, START_TIMEOUT_MS);
    try {
      this.#host = await spawnHost({
        name: `device:${instance}`,
        // Named with the extension this module has itself: `.ts` from source, `.js` when built.
        program: builtProgram(new URL(`./host-main${import.meta.url.slice(-3)}`, import.meta.url)),
        onMessage: (message) => this.#receive(message),
        onDeath: (death) => this.#died(death.reason),
      });
      this.#host.send({ do: "start", instance, entry, bundle, powers, config, keyFile: this.#keyFile });
      this.#beats = setInterval(() => this.#host?.send({ do: "beat" }), BEAT_MS).unref();
      await this.#started.promise;
    } catch (cause) {
      clearInterval(this.#beats);
      this.#state = "gone";
      await this.#host?.kill();
      throw cause;
    } finally {
      clearTimeout(timer);
    }
  }

  call(request: DeviceCall): Promise<Answer> {
    const { instance } = this.#spec;
    if (this.#state !== "running")
      return Promise.resolve(this.#refused("DEVICE_DIED", { reason: this.#reason }));
    if (this.#calls.size >= MAX_CALLS_IN_FLIGHT) {
      return Promise.resolve(this.#refused("DEVICE_BUSY", { instance, limit: MAX_CALLS_IN_FLIGHT }));
    }
    const id = this.#next++;
    return new Promise((resolve) => {
      const { capability, method, input } = request;
      this.#host?.send({ do: "call", id, capability, method, input });
      this.#calls.set(id, { request, resolve });
    });
  }

  meters(): Promise<{ readonly pid: number; readonly memoryBytes: number; readonly cpuMs: number }> {
    const host = this.#host;
    if (this.#state !== "running" || !host) {
      return Promise.reject(
        deviceErrors.create("DEVICE_DIED", { instance: this.#spec.instance, reason: this.#reason }),
      );
    }
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#meters.set(id, (meters) => resolve({ pid: host.pid, ...meters }));
      host.send({ do: "meters", id });
    });
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    const host = this.#host;
    if (!host || this.#state === "gone") return;
    this.#state = "stopping";
    host.send({ do: "stop" });
    const timer = setTimeout(() => this.#stopped.resolve(), STOP_GRACE_MS);
    await this.#stopped.promise;
    clearTimeout(timer);
    this.#state = "gone";
    clearInterval(this.#beats);
    await host.kill();
    this.#settleAll();
  }

  #receive(raw: unknown): void {
    const spec = this.#spec;
    const message = parseFromDevice(raw);
    if (message === null) {
      this.#verdict = "it broke the protocol";
      void this.#host?.kill();
      return;
    }
    switch (message.did) {
      case "start":
        if (this.#state === "starting") this.#state = "running";
        return this.#started.resolve();
      case "fail":
        return this.#started.reject(
          remoteError(message.code, { instance: spec.instance, ...message.details }, message.message),
        );
      case "answer": {
        const waiting = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        return waiting?.resolve(inWords(message.answer));
      }
      case "publish":
        return spec.onPublish(message.topic, message.key, message.event);
      case "log":
        return spec.onLog(message.line);
      case "meters": {
        const { memoryBytes, cpuMs } = message;
        this.#meters.get(message.id)?.({ memoryBytes, cpuMs });
        this.#meters.delete(message.id);
        return;
      }
      case "stop":
        return this.#stopped.resolve();
    }
  }

  #died(reason: string): void {
    const before = this.#state;
    clearInterval(this.#beats);
    this.#reason = this.#verdict ?? reason;
    this.#stopped.resolve();
    this.#started.reject(
      deviceErrors.create("DEVICE_START_FAILED", { instance: this.#spec.instance, reason: this.#reason }),
    );
    // What was started and not told to stop has died; anything else is the end of what somebody asked for.
    if (before !== "running") return;
    this.#state = "gone";
    this.#settleAll();
    this.#spec.onDeath(this.#reason);
  }

  #settleAll(): void {
    for (const waiting of this.#calls.values()) {
      waiting.resolve(this.#refused("DEVICE_DIED", { reason: this.#reason }));
    }
    this.#calls.clear();
    for (const settle of this.#meters.values()) settle({ memoryBytes: 0, cpuMs: 0 });
    this.#meters.clear();
  }

  #refused(code: DeviceCode, details: ErrorDetails): Answer {
    const error = deviceErrors.create(code, { instance: this.#spec.instance, ...details });
    return { ok: false, code, message: error.message };
  }
}

/** The bundle as text; from the image, because the disk may say something else by now. */
function bundleOf(instance: string, image: CapsuleImage, entry: string): string {
  const file = imageFile(image, entry);
  if (!file) throw deviceErrors.create("DEVICE_ENTRY_MISSING", { instance, entry });
  const type = typeOf(image);
  if (type !== "driver") throw deviceErrors.create("DEVICE_CAPSULE_NOT_DRIVER", { instance, type });
  return new TextDecoder().decode(file.bytes);
}

/** Admission has read the manifest strictly; this is the last look before a process gets powers. */
function typeOf(image: CapsuleImage): string {
  const manifest = imageFile(image, "manifest.json");
  if (!manifest) return "unknown";
  const { type } = JSON.parse(new TextDecoder().decode(manifest.bytes)) as { readonly type?: unknown };
  return String(type);
}

/** The host answers with code and details; the words are in the table on this side. */
function inWords(answer: Answer): Answer {
  if (answer.ok || !isDeviceCode(answer.code)) return answer;
  const details = isDetails(answer.details) ? answer.details : {};
  return { ...answer, message: deviceErrors.create(answer.code, details).message };
}

function isDeviceCode(code: string): code is DeviceCode {
  return Object.hasOwn(deviceErrors.entries, code);
}

/** An error that was made in the device host, with the same code on this side. */
function remoteError(code: string, details: ErrorDetails, message: string): VnesError {
  if (isDeviceCode(code)) return deviceErrors.create(code, details);
  return deviceErrors.create("DEVICE_START_FAILED", { ...details, reason: message });
}
