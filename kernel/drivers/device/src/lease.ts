/**
 * How long a driver acts on the world without hearing from its kernel. A kernel that stands still knows nothing of what becomes of
 * its node meanwhile; a driver that went on would speak for it, packets included, for as long as that lasts.
 *
 * O1. Nothing leaves and nothing is taken in once the kernel was not heard for `leaseMs`, besides what `onLost` says. Who asks
 *     too late, because this process stood still too, finds it lost as well.
 * O2. It is lost once, then held again with the kernel's next word; nobody else gives it back.
 */
import type { DriverClock } from "@vnes/sdk/driver";

/** How often the kernel says that it is there. */
export const BEAT_MS = 1000;
/** Four beats may be late on a busy machine. Well below the ledger's lease, after which another node may act instead. */
export const LEASE_MS = 5000;

export interface DeviceLease {
  /** The kernel said something. */
  heard(): void;
  /** Whether the driver may act now. */
  isHeld(): boolean;
}

export interface DeviceLeaseOptions {
  readonly clock: DriverClock;
  readonly leaseMs: number;
  /** What has to be said before the silence is said in here; `silentMs`: since the kernel was heard. */
  onLost(silentMs: number): void;
  onHeld(silentMs: number): void;
}

export function createDeviceLease({ clock, leaseMs, onLost, onHeld }: DeviceLeaseOptions): DeviceLease {
  let heardAt = clock.now();
  let state: "held" | "saying" | "lost" = "held";
  const silentMs = (): number => Math.round(clock.now() - heardAt);

  const look = (): void => {
    if (state !== "held" || clock.now() < heardAt + leaseMs) return;
    state = "saying";
    try {
      onLost(silentMs());
    } finally {
      state = "lost";
    }
  };
  const wake = (): void => {
    look();
    const leftMs = state === "held" ? heardAt + leaseMs - clock.now() : leaseMs;
    clock.setTimer(leftMs, wake);
  };
  clock.setTimer(leaseMs, wake);

  return {
    heard() {
      look();
      const wasMs = silentMs();
      heardAt = clock.now();
      if (state !== "lost") return;
      state = "held";
      onHeld(wasMs);
    },
    isHeld() {
      look();
      return state !== "lost";
    },
  };
}
