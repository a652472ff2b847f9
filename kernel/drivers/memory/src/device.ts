/** Driver capsules as functions of this process: for simulation, where the world is another function. */
import type { Device, DeviceCall, DeviceInstance, DeviceSpec } from "@vnes/kernel";
import type { Answer } from "@vnes/schemas";
import { memoryErrors } from "./errors.ts";

export interface MemoryDriver {
  call(request: DeviceCall): Promise<Answer> | Answer;
  stop?(): void;
}

/** Starts a driver, by capsule id. It may publish and log through the spec, as a process does. */
export type DriverTable = { readonly [capsuleId: string]: (spec: DeviceSpec) => MemoryDriver };

export class MemoryDevice implements Device {
  readonly #drivers: DriverTable;
  readonly #open = new Map<string, MemoryDeviceInstance>();

  constructor(drivers: DriverTable = {}) {
    this.#drivers = drivers;
  }

  async open(spec: DeviceSpec): Promise<DeviceInstance> {
    const start = this.#drivers[spec.instance] ?? this.#drivers[spec.instance.replace(/\/\d+$/, "")];
    if (start === undefined) throw memoryErrors.create("MEMORY_DRIVER_MISSING", { instance: spec.instance });
    const instance = new MemoryDeviceInstance(
      start(spec),
      () => this.#open.delete(spec.instance),
      spec.onDeath,
    );
    this.#open.set(spec.instance, instance);
    return instance;
  }

  /** The driver dies as a process would: calls under way end with `DEVICE_DIED`, and its owner is told. */
  kill(instance: string, reason: string): void {
    this.#open.get(instance)?.die(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const instance of this.#open.values()) await instance.dispose();
  }
}

const DIED: Answer = { ok: false, code: "DEVICE_DIED", message: "the driver's process died" };

class MemoryDeviceInstance implements DeviceInstance {
  readonly #driver: MemoryDriver;
  readonly #forget: () => void;
  readonly #onDeath: (reason: string) => void;
  readonly #waiting = new Set<(answer: Answer) => void>();
  #gone = false;

  constructor(driver: MemoryDriver, forget: () => void, onDeath: (reason: string) => void) {
    this.#driver = driver;
    this.#forget = forget;
    this.#onDeath = onDeath;
  }

  call(request: DeviceCall): Promise<Answer> {
    if (this.#gone) return Promise.resolve(DIED);
    return new Promise<Answer>((resolve, reject) => {
      const answer = (given: Answer) => {
        this.#waiting.delete(answer);
        resolve(given);
      };
      this.#waiting.add(answer);
      Promise.resolve(request)
        .then((asked) => this.#driver.call(asked))
        .then(answer, reject);
    });
  }

  async meters(): Promise<{ readonly pid: number; readonly memoryBytes: number; readonly cpuMs: number }> {
    return { pid: 0, memoryBytes: 0, cpuMs: 0 };
  }

  async dispose(): Promise<void> {
    this.#end();
  }

  die(reason: string): void {
    if (this.#gone) return;
    this.#end();
    this.#onDeath(reason);
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#forget();
    this.#driver.stop?.();
    // Answering takes the answer out of the set, which a set in iteration allows.
    for (const answer of this.#waiting) answer(DIED);
  }
}
