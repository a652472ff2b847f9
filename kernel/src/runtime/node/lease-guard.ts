/**
 * Keeps a node from acting on the world while another one may own its shards: devices are stopped, calls from outside and
 * reads of what is now are refused until the ledger confirms again who the owner is. Turns need no guard: their records are refused.
 */
import type { VnesError } from "@vnes/schemas";
import { ledgerErrors } from "../../ports/ledger-errors.ts";
import type { LedgerLease } from "../../ports/ledger-lease.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Log } from "../../ports/log.ts";
import type { DeviceRunner } from "./device-runner.ts";
import { errorText } from "./node-context.ts";
import type { LedgerWatch } from "../ledger/ledger-watch.ts";

/** What stands in the watch's list where a stalled shard stands otherwise. */
const LEASE = "lease";
/** Group names in a message; a list of hundreds helps nobody. */
const SHOWN_GROUPS = 4;

export interface LeaseGuardParts {
  readonly watch: LedgerWatch;
  readonly log: Log;
  /** Those that run now. */
  devices(): Iterable<readonly [capsule: string, device: DeviceRunner]>;
}

/** Follows the lease for as long as the store is open. */
export function guardLease(lease: LedgerLease, { watch, log, devices }: LeaseGuardParts): void {
  let stopped: (readonly [string, DeviceRunner])[] = [];
  /** One change at a time: a lease that comes back while devices stop finds them stopped. */
  let changes: Promise<void> = Promise.resolve();
  let isHeld = true;

  const stopDevices = async (): Promise<void> => {
    stopped = [...devices()];
    await Promise.all(stopped.map(async ([, device]) => await device.stop()));
  };
  const startDevices = async (): Promise<void> => {
    const again = stopped;
    stopped = [];
    for (const [capsule, device] of again) {
      await device.start().catch((error: unknown) => {
        log.error({ capsule, ...errorText(error) }, "the device does not start again");
      });
    }
  };
  const changed = (lost: readonly string[]): void => {
    watch.set(LEASE, lost.length === 0 ? undefined : lossOf(lease, lost));
    if (isHeld === (lost.length === 0)) return;
    isHeld = lost.length === 0;
    changes = changes.then(isHeld ? startDevices : stopDevices);
  };
  lease.onChange(changed);
  changed(lease.lost());
}

/** Throws `LEDGER_LEASE_LOST` or `LEDGER_CLAIMED` while another node may own the shard: what is known of it here may not be so any more. */
export function assertLease({ lease }: Pick<LedgerStore, "lease">, shard: string): void {
  if (lease === undefined || lease.isHeld(shard)) return;
  throw lossOf(lease, lease.lost());
}

/** Whoever was fenced for good must not be told that the node goes on by itself. */
function lossOf(lease: LedgerLease, lost: readonly string[]): VnesError {
  return lease.taken() ?? ledgerErrors.create("LEDGER_LEASE_LOST", { groups: shown(lost) });
}

function shown(groups: readonly string[]): string {
  const some = groups.slice(0, SHOWN_GROUPS).join(", ");
  return groups.length > SHOWN_GROUPS ? `${some} and ${groups.length - SHOWN_GROUPS} more` : some;
}
