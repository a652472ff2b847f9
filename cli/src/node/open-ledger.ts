/** Opens the ledger a node was told to use: a file of its own, or streams of NATS servers it shares with other nodes. */
import type { Bus } from "@vnes/driver-nats";
import { lockFile, openSqliteLedgerStore } from "@vnes/driver-sqlite";
import {
  type BusStatus,
  type Clock,
  DEFAULT_LEDGER_GROUPS,
  ledgerGroupOf,
  type LedgerStore,
  type Log,
  nodeGroup,
  type OwnerTable,
  ownGroups,
  sharedGroups,
} from "@vnes/kernel";
import type { BusConfig } from "@vnes/schemas";
import type { Place } from "../shell.ts";
import { instanceOf } from "./instance.ts";
import { otherLedger } from "./other-ledger.ts";

export const DEFAULT_NAMESPACE = "main";

export interface OpenLedger {
  /** Disposed by the node. */
  readonly store: LedgerStore;
  readonly bus?: () => BusStatus;
  /** Ends what the store leaves open; after the store. */
  close(): Promise<void>;
}

/** `servers` as `--bus` has them go before those of the configuration file. */
export function busConfig({ config }: Place, servers: string | undefined): BusConfig | undefined {
  if (servers === undefined) return config.bus;
  return { ...config.bus, servers: servers.split(",").map((server) => server.trim()) };
}

export async function openLedger(
  place: Place,
  bus: BusConfig | undefined,
  table: OwnerTable | undefined,
  clock: Clock,
  log: Log,
): Promise<OpenLedger> {
  const other = otherLedger(place.paths, bus !== undefined);
  if (other !== undefined) log[other.level]({}, other.text);
  if (bus === undefined) {
    const store = await openSqliteLedgerStore({ path: place.paths.ledger });
    return { store, close: async () => undefined };
  }
  // Before anything is claimed: the same directory is the same owner, and would fence the node that runs.
  const lock = lockFile(place.paths.lock);
  let connection: Bus | undefined;
  const close = async (): Promise<void> => {
    await connection?.[Symbol.asyncDispose]();
    lock[Symbol.dispose]();
  };
  try {
    // Loaded here: a node with a ledger of its own does not pay for it.
    const { openBus } = await import("@vnes/driver-nats");
    const opened = await openBus({ ...bus, node: place.node });
    connection = opened;
    const store = await openOn(opened, bus, place, { table, clock, log });
    return { store, bus: () => busStatus(opened, bus), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openOn(
  bus: Bus,
  config: BusConfig,
  place: Place,
  { table, clock, log }: { readonly table: OwnerTable | undefined; readonly clock: Clock; readonly log: Log },
): Promise<LedgerStore> {
  const { namespace = DEFAULT_NAMESPACE, groups = DEFAULT_LEDGER_GROUPS, owns, replicas } = config;
  const { node } = place;
  const shared = owns === undefined ? sharedGroups(groups) : owns.map((group) => `g${group}`);
  let waitedFor: string | undefined;
  const { openNatsLedgerStore } = await import("@vnes/driver-nats");
  return await openNatsLedgerStore({
    bus,
    namespace,
    node,
    instance: instanceOf(place.paths.instance),
    groups,
    groupOf: (shard) => ledgerGroupOf(shard, groups),
    owns: table === undefined ? [...shared, nodeGroup(node)] : ownGroups(table),
    clock,
    ...(replicas === undefined ? {} : { replicas }),
    onWait(_, owner, ms) {
      // Once for all groups: they are told within milliseconds of each other.
      if (waitedFor === owner.node) return;
      waitedFor = owner.node;
      log.warn({ owner: owner.node, ms: Math.ceil(ms) }, "waiting until the lease of the owner has run out");
    },
  });
}

function busStatus(
  { connection, servers, isConnected }: Bus,
  { namespace = DEFAULT_NAMESPACE }: BusConfig,
): BusStatus {
  return { servers, namespace, connected: isConnected, version: connection.info?.version ?? "unknown" };
}
