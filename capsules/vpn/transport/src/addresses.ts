/**
 * Which IP addresses this machine has, compared from time to time: a laptop that changes its network learns it here, not by
 * the silence of its paths. It looks only while a channel that was opened from here is open.
 */
import type { DriverClock } from "@vnes/sdk/driver";

/** Addresses told of one change; a machine with more has other news first. */
const MAX_TOLD = 16;

export interface AddressChange {
  readonly gone: readonly string[];
  readonly came: readonly string[];
}

export interface AddressWatch {
  /** A channel was opened or closed: looks, or stops looking. */
  update(): void;
  stop(): void;
}

export interface AddressWatchOptions {
  readonly clock: DriverClock;
  /** 0: never. */
  readonly everyMs: number;
  addresses(): readonly string[];
  isNeeded(): boolean;
  onChange(change: AddressChange): void;
}

function changeOf(before: readonly string[], now: readonly string[]): AddressChange | null {
  const gone = before.filter((address) => !now.includes(address)).slice(0, MAX_TOLD);
  const came = now.filter((address) => !before.includes(address)).slice(0, MAX_TOLD);
  return gone.length + came.length === 0 ? null : { gone, came };
}

export function createAddressWatch(options: AddressWatchOptions): AddressWatch {
  const { clock, everyMs } = options;
  let known: readonly string[] | null = null;
  let cancel = () => {};
  const stop = () => {
    cancel();
    known = null;
  };
  const look = () => {
    if (!options.isNeeded()) return stop();
    const now = options.addresses();
    const change = known === null ? null : changeOf(known, now);
    known = now;
    cancel = clock.setTimer(everyMs, look);
    if (change !== null) options.onChange(change);
  };
  return {
    update() {
      if (everyMs === 0) return;
      if (!options.isNeeded()) stop();
      else if (known === null) look();
    },
    stop,
  };
}
