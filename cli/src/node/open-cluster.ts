/** What a node of several needs beside its ledger: the table that says who owns what, and a way to talk to the others. */
import {
  type Cluster,
  type Clock,
  DEFAULT_LEDGER_GROUPS,
  kernelErrors,
  type OwnerTable,
  ownerTable,
} from "@vnes/kernel";
import type { BusConfig } from "@vnes/schemas";
import type { Place } from "../shell.ts";
import { cryptoRandom } from "./crypto-random.ts";
import { DEFAULT_NAMESPACE } from "./open-ledger.ts";

/** Undefined for a node that stands alone. Throws `CLUSTER_TABLE_INVALID`. */
export function clusterTable({ config, node }: Place, bus: BusConfig | undefined): OwnerTable | undefined {
  const { cluster } = config;
  if (cluster === undefined) return undefined;
  const wrong = (problem: string): Error => kernelErrors.create("CLUSTER_TABLE_INVALID", { problem });
  if (bus === undefined) throw wrong("the nodes share no bus; it says which groups each owns of");
  if (bus.owns !== undefined) throw wrong("bus.owns says it too, and only one of them may");
  const made = ownerTable({ groups: bus.groups ?? DEFAULT_LEDGER_GROUPS, owners: cluster.owners }, node);
  if (!made.ok) throw wrong(made.problem);
  return made.table;
}

/** Rejects with `BUS_...`. */
export async function openCluster(table: OwnerTable, bus: BusConfig, clock: Clock): Promise<Cluster> {
  const { node } = table;
  const { namespace = DEFAULT_NAMESPACE } = bus;
  const { natsMessenger, openBus } = await import("@vnes/driver-nats");
  // A connection beside the ledger's: its large messages would hold back small ones, and it has to hear itself.
  const connection = await openBus({ ...bus, node, noEcho: true });
  return {
    table,
    messenger: natsMessenger({ bus: connection, namespace, node, clock, random: cryptoRandom }),
  };
}
