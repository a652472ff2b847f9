/**
 * What the kernel and a sandbox host say to each other, whatever its language, as messages of the host protocol (`docs/host-protocol.md`).
 * Turns and results travel as text beside the message: the host hands them on without reading them.
 */
import type { SandboxLimits } from "@vnes/kernel";

/** With `deliver` comes the JSON of `TurnRequest[]`, with `open` the bundle. */
export type ToHost =
  /** The bundle comes from the verified image; the host reads no file of a capsule. */
  | {
      readonly do: "open";
      readonly id: number;
      readonly instance: string;
      readonly entry: string;
      readonly limits: SandboxLimits;
    }
  | {
      readonly do: "deliver";
      readonly id: number;
      readonly batch: number;
      /** Stops the kernel knew of when it sent this; the host runs nothing of it when there were more. */
      readonly stops: number;
      /** Turn numbers, for results the host makes itself. */
      readonly turns: readonly number[];
    }
  | { readonly do: "reset"; readonly id: number; readonly ask: number }
  /** A new isolate in place of one that answered with something that is no result. `stops` counts that as one more. */
  | { readonly do: "renew"; readonly id: number; readonly stops: number }
  | { readonly do: "meters"; readonly id: number; readonly ask: number }
  | { readonly do: "close"; readonly id: number; readonly ask: number };

/**
 * With `deliver` come lines, each the JSON of some `TurnResult[]` as the capsule's isolate made it: to be judged, not trusted.
 */
export type FromHost =
  | { readonly did: "open"; readonly id: number }
  | { readonly did: "fail"; readonly id: number; readonly reason: string }
  | {
      readonly did: "deliver";
      readonly id: number;
      readonly batch: number;
      /** Stops of the instance by now: counted here, and only told to the kernel. */
      readonly stops: number;
      /** Results of further turns of the batch come in further answers. Only from a process that is one instance. */
      readonly more?: boolean;
      /** An isolate was thrown away for what ran in it; nothing behind it is run before the kernel says so. */
      readonly spoilt?: boolean;
    }
  | { readonly did: "ask"; readonly ask: number; readonly meters?: HostMeters; readonly spoilt?: boolean }
  /** Work goes on; said when nothing else was to be said for a while. */
  | { readonly did: "alive" };

export interface HostMeters {
  readonly cpuMs: number;
  readonly heapBytes: number;
  readonly hostBytes: number;
}

/** As a host tells them that may be anybody's. */
export function parseMeters(told: unknown): HostMeters {
  const meters = (typeof told === "object" && told !== null ? told : {}) as {
    readonly [name: string]: unknown;
  };
  const numberOf = (name: string): number => {
    const value = meters[name];
    return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
  };
  return { cpuMs: numberOf("cpuMs"), heapBytes: numberOf("heapBytes"), hostBytes: numberOf("hostBytes") };
}
