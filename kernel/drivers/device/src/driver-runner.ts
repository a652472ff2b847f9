/**
 * A driver's bundle, loaded and run with its powers. The bundle is an ordinary function of this process: the wall is
 * the process itself, which holds nothing but this one driver and what it was granted. Hiding `process` and `require` keeps an
 * honest driver honest; it stops nobody else, which is why only verified system-zone capsules come here.
 */
import vm from "node:vm";
import type { Answer, Json } from "@vnes/schemas";
import type { DriverDefinition, DriverRuntime, Powers } from "@vnes/sdk/driver";
import type { DeviceCode } from "./errors.ts";
import { DeviceFault } from "./fault.ts";
import { isAnswer } from "./messages.ts";

/** Names an honest driver has no business with; as parameters they are undefined in the bundle. */
const HIDDEN = ["require", "module", "exports", "process", "__filename", "__dirname"];
const MAX_REASON = 400;

export interface DriverRunner {
  call(capability: string, method: string, input: Json): Promise<Answer>;
  /** Never throws. */
  leaseLost(): void;
  stop(): Promise<void>;
}

export async function startDriver(options: {
  readonly instance: string;
  readonly entry: string;
  /** One script that defines `capsule`. */
  readonly bundle: string;
  readonly config: Json;
  /** Made only once the bundle loaded, so a broken bundle creates no key. */
  powers(): Powers;
}): Promise<DriverRunner> {
  const { instance, entry } = options;
  const definition = loadDefinition(instance, entry, options.bundle);
  const powers = options.powers();
  let runtime: DriverRuntime;
  try {
    runtime = await definition.start(powers, options.config);
  } catch (cause) {
    throw new DeviceFault("DEVICE_START_FAILED", { instance, reason: reasonOf(cause) });
  }
  if (typeof runtime?.call !== "function" || typeof runtime.stop !== "function") {
    throw new DeviceFault("DEVICE_START_FAILED", { instance, reason: "start returned no driver" });
  }
  return {
    async call(capability, method, input) {
      let answer: unknown;
      try {
        answer = await runtime.call(capability, method, input);
      } catch (cause) {
        return refused("DEVICE_CALL_FAILED", { instance, capability, method, reason: reasonOf(cause) });
      }
      return isAnswer(answer) ? answer : refused("DEVICE_ANSWER_INVALID", { instance, capability, method });
    },
    leaseLost() {
      try {
        runtime.leaseLost?.();
      } catch (cause) {
        powers.log("error", "the driver failed at the loss of its lease", { reason: reasonOf(cause) });
      }
    },
    stop: async () => runtime.stop(),
  };
}

function loadDefinition(instance: string, entry: string, bundle: string): DriverDefinition {
  let loaded: unknown;
  try {
    const load = vm.compileFunction(`${bundle}\nreturn capsule;`, HIDDEN, {
      filename: `${instance}:${entry}`,
    });
    loaded = load();
  } catch (cause) {
    throw new DeviceFault("DEVICE_BUNDLE_BROKEN", { instance, entry, reason: reasonOf(cause) });
  }
  const definition = (loaded as { readonly default?: Partial<DriverDefinition> } | undefined)?.default;
  if (typeof definition?.start !== "function") {
    const reason = "capsule.default is not what driver({ start }) returns";
    throw new DeviceFault("DEVICE_BUNDLE_BROKEN", { instance, entry, reason });
  }
  return definition as DriverDefinition;
}

function refused(code: DeviceCode, details: { readonly [name: string]: string }): Answer {
  return { ok: false, code, message: code, details };
}

export function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.slice(0, MAX_REASON);
}
