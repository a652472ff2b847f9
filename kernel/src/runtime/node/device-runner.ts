/**
 * Keeps one driver capsule running: opens its device, restarts it with bounded back-off, counts what it reports.
 * A driver keeps nothing in a ledger; after a restart it is told its configuration again and starts from nothing.
 */
import { type Answer, isVnesError, type Json } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Device, DeviceCall, DeviceInstance, DeviceSpec } from "../../ports/device.ts";
import type { Log } from "../../ports/log.ts";
import { type BackOff, delayMs } from "../shard/back-off.ts";
import type { Counters } from "./counters.ts";

const RESTART: BackOff = { firstMs: 50, maxMs: 5_000 };
/** A device that stayed up this long has earned a first quick restart again. */
const STABLE_MS = 30_000;

export interface DeviceRunnerParts {
  readonly spec: Omit<DeviceSpec, "onPublish" | "onLog" | "onDeath">;
  readonly device: Device;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly lines: Log;
  publish(topic: string, key: string, event: Json): void;
  died(reason: string): void;
}

export class DeviceRunner {
  readonly #parts: DeviceRunnerParts;
  #instance: DeviceInstance | undefined;
  #open = false;
  #attempt = 0;
  #openedAt = 0;
  calls = 0;
  restarts = 0;

  constructor(parts: DeviceRunnerParts) {
    this.#parts = parts;
  }

  /** Rejects when the driver does not start. */
  async start(): Promise<void> {
    this.#open = true;
    const { device, spec, publish, clock, lines } = this.#parts;
    this.#openedAt = clock.now();
    this.#instance = await device.open({
      ...spec,
      onPublish: publish,
      onLog: (line) => {
        const data = line.data === undefined ? {} : { data: line.data };
        lines[line.level]({ capsule: spec.instance, ...data }, line.message);
      },
      onDeath: (reason) => this.#died(reason),
    });
  }

  async stop(): Promise<void> {
    this.#open = false;
    const instance = this.#instance;
    this.#instance = undefined;
    await instance?.dispose();
  }

  async call(request: DeviceCall): Promise<Answer> {
    this.calls++;
    const instance = this.#instance;
    if (instance === undefined) {
      const { code, message } = kernelErrors.create("CALL_CAPABILITY_UNAVAILABLE", {
        capability: request.capability,
      });
      return { ok: false, code, message };
    }
    try {
      return await instance.call(request);
    } catch (error) {
      const code = isVnesError(error) ? error.code : "DEVICE_DIED";
      return { ok: false, code, message: error instanceof Error ? error.message : String(error) };
    }
  }

  async meters(): Promise<Json> {
    const meters = await this.#instance?.meters().catch(() => undefined);
    return meters === undefined ? null : { ...meters };
  }

  #died(reason: string): void {
    this.#instance = undefined;
    if (!this.#open) return;
    const { clock, counters } = this.#parts;
    counters.add("device.deaths");
    this.#parts.died(reason);
    if (clock.now() - this.#openedAt > STABLE_MS) this.#attempt = 0;
    clock.wakeAt(clock.now() + delayMs(RESTART, this.#attempt++), () => {
      if (!this.#open) return;
      this.start().then(
        () => {
          this.restarts++;
        },
        (error: unknown) => this.#died(error instanceof Error ? error.message : String(error)),
      );
    });
  }
}
