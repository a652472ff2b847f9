/**
 * What the operating system keeps a capsule's host from, as plain data: it goes from the decision (`confinement-of.ts`) through the
 * sandbox port to whatever puts the wall up. Two capsules share a host only if theirs are equal.
 */
import type { TrustZone } from "@vnes/schemas";

export interface Confinement {
  readonly zone: TrustZone;
  /** `none`: a process of its own and nothing more; of the numbers below only the niceness and the message are kept then. */
  readonly wall: "none" | "namespaces";
  /** The one group that may have a host with this confinement in it. */
  readonly sharedBy: string;
  /** MiB of all processes of the host together. */
  readonly memoryMb: number;
  /** Processes and threads. */
  readonly pids: number;
  /** Of one core: 200 is two of them. */
  readonly cpuPercent: number;
  /** 0 to 19, as `nice` has it. */
  readonly nice: number;
  /** Descriptors of one process. */
  readonly openFiles: number;
  /** MiB of a `/tmp` of its own in memory, and of the largest file in it; 0: nothing at all can be written. */
  readonly scratchMb: number;
  /** MiB of one message to the kernel; a host that sends a larger one is ended. */
  readonly messageMb: number;
  readonly network: "none" | "machine";
  readonly devices: "none" | "machine";
  /** `program`: what the host's program names, and the system's libraries. */
  readonly reads: "program" | "machine";
}

/** Why one setting is what it is. */
export interface ConfinementReason {
  readonly setting: keyof Confinement;
  /** With its unit. */
  readonly value: string;
  /** Where the value comes from: the zone's default, a line of the policy, the manifest, the machine, or an option of the boot. */
  readonly from: "zone" | "policy" | "manifest" | "platform" | "option";
  readonly why: string;
}

export type ConfinementDecision =
  | {
      readonly kind: "confined";
      readonly confinement: Confinement;
      readonly reasons: readonly ConfinementReason[];
    }
  /** The zone demands a wall, and nobody said to do without. `lacks` is what this machine does not have. */
  | { readonly kind: "refused"; readonly lacks: readonly PlatformLack[] };

/** What this machine can keep a process from; looked at once, by whoever puts walls up. */
export interface Platform {
  /** Empty: walls can be put up. */
  readonly lacks: readonly PlatformLack[];
  readonly keeps: {
    readonly memory: LimitKeeper;
    readonly pids: LimitKeeper;
    readonly cpu: LimitKeeper;
  };
}

export interface PlatformLack {
  readonly part: string;
  /** What was found instead. */
  readonly found: string;
  /** What to type. */
  readonly remedy: string;
}

/** A watchdog looks at intervals: what is over the limit is ended (memory, pids) or held up (cpu) a moment later. */
export type LimitKeeper = "cgroup v2" | "cgroup v1" | "watchdog";

/** For a node whose perimeter never looked. */
export const NO_PLATFORM: Platform = {
  lacks: [
    {
      part: "walls",
      found: "this node was started by something that puts none up",
      remedy: "start it with: vnes boot",
    },
  ],
  keeps: { memory: "watchdog", pids: "watchdog", cpu: "watchdog" },
};
