/** Where the ledger of a crash run lies: a file of the node, one NATS server, or three; and how servers are killed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openBus, openNatsLedgerStore } from "@vnes/driver-nats";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import {
  DEFAULT_LEDGER_GROUPS,
  ledgerGroupOf,
  type LedgerStore,
  nodeGroup,
  sharedGroups,
} from "@vnes/kernel";
import { type NatsServers, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";

export const BUSES = ["embedded", "nats", "nats-cluster"] as const;
export type BusName = (typeof BUSES)[number];

/** What `vnes boot` takes when nothing else is said. */
const NAMESPACE = "main";
/** A server that is away: sometimes not long enough for an election, sometimes longer than one. */
const MAX_AWAY_MS = 3_000;

export interface LedgerPlace extends AsyncDisposable {
  /** More arguments of `vnes boot`. */
  readonly flags: readonly string[];
  /** Undefined where there is no server. */
  readonly servers: CrashServers | undefined;
  /** The ledger a node left, once it is gone. */
  open(node: string, dataDir: string): Promise<{ readonly store: LedgerStore } & AsyncDisposable>;
}

export interface CrashServers {
  /** Kills one with SIGKILL and starts it again after a while; resolves to what it did. */
  killOne(random: { below(limit: number): number }): Promise<string>;
}

export async function ledgerPlace(bus: BusName): Promise<LedgerPlace> {
  if (bus === "embedded") return embedded();
  return onServers(await startNatsServers({ count: bus === "nats" ? 1 : 3 }));
}

function embedded(): LedgerPlace {
  return {
    flags: [],
    servers: undefined,
    async open(_, dataDir) {
      const store = await openSqliteLedgerStore({ path: join(dataDir, "ledger.sqlite") });
      return { store, [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose]() };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function onServers(servers: NatsServers): LedgerPlace {
  return {
    flags: ["--bus", servers.urls.join()],
    servers: {
      async killOne(random) {
        const index = random.below(servers.urls.length);
        const awayMs = random.below(MAX_AWAY_MS);
        await servers.kill(index);
        await sleep(awayMs);
        await servers.start(index);
        return `server ${index} was away for ${awayMs} ms`;
      },
    },
    open: async (node, dataDir) => await openLeft(servers.urls, node, dataDir),
    [Symbol.asyncDispose]: async () => await servers[Symbol.asyncDispose](),
  };
}

/** The ledger a node left on its servers: opened as its owner does it, so that all of it is there. */
export async function openLeft(
  servers: readonly string[],
  node: string,
  dataDir: string,
  groups: number = DEFAULT_LEDGER_GROUPS,
): Promise<{ readonly store: LedgerStore } & AsyncDisposable> {
  const bus = await openBus({ servers, node });
  const store = await openNatsLedgerStore({
    bus,
    namespace: NAMESPACE,
    node,
    // Behind it stands which file this is: `cli/src/node/instance.ts`.
    instance: readFileSync(join(dataDir, "instance"), "utf8").split("\n", 1).join(),
    groups,
    groupOf: (shard) => ledgerGroupOf(shard, groups),
    owns: [...sharedGroups(groups), nodeGroup(node)],
  });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
    },
  };
}
