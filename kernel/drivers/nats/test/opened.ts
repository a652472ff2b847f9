/** A store in a namespace of its own on servers that others use too, as the contract wants it. */
import {
  type Bus,
  type NatsLedgerOptions,
  type NatsLedgerStore,
  openBus,
  openNatsLedgerStore,
} from "@vnes/driver-nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { keyHash } from "@vnes/kernel";
import type { OpenedLedgerStore } from "../../../contracts/ledger-store.ts";
import { type NatsServers, startNatsServers } from "./nats-servers.ts";

export const GROUPS: readonly string[] = ["g0", "g1"];
let namespaces = 0;

export function freshNamespace(): string {
  return `t${process.pid}-${++namespaces}`;
}

export function groupOf(shard: string): string {
  return GROUPS[keyHash(shard) % GROUPS.length] as string;
}

const connections = new Set<Bus>();

/** What a test that failed left open; without it the file would not end. */
export async function closeConnections(): Promise<void> {
  await Promise.all([...connections].map(async (bus) => await bus[Symbol.asyncDispose]()));
}

/** A node with a connection of its own; closing the store closes both. */
export async function openNode(
  servers: readonly string[],
  namespace: string,
  node: string,
  options: Partial<NatsLedgerOptions> = {},
): Promise<{ readonly store: NatsLedgerStore; readonly bus: Bus; close(): Promise<void> }> {
  const bus = await openBus({ servers, node });
  connections.add(bus);
  try {
    const identity = { namespace, node, instance: `instance of ${node}` };
    const store = await openNatsLedgerStore({
      bus,
      ...identity,
      groups: GROUPS.length,
      groupOf,
      owns: GROUPS,
      ...options,
    });
    return {
      store,
      bus,
      async close() {
        await store[Symbol.asyncDispose]();
        await bus[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await bus[Symbol.asyncDispose]();
    throw error;
  }
}

/** `groups`: fewer where making a stream takes long. */
export async function openedOn(
  servers: NatsServers,
  groups: readonly string[] = GROUPS,
): Promise<OpenedLedgerStore> {
  const namespace = freshNamespace();
  const groupOf = (shard: string): string => groups[keyHash(shard) % groups.length] as string;
  const layout = { groups: groups.length, groupOf, owns: groups };
  let node = await openNode(servers.urls, namespace, "a", layout);
  return {
    store: node.store,
    async reopen() {
      await node.close();
      node = await openNode(servers.urls, namespace, "a", layout);
      return node.store;
    },
    async cleanup() {
      await node.close();
      await dropNamespace(servers.urls, namespace);
    },
  };
}

/** On a server that keeps 3 MB, a third of which somebody else has. */
export async function openedAlmostFull(): Promise<OpenedLedgerStore & { makeSpace(): Promise<void> }> {
  const servers = await startNatsServers({ maxFile: "3M" });
  const ballast = await takeSpace(servers.urls, 1_000_000);
  const opened = await openedOn(servers, ["g0"]);
  return {
    store: opened.store,
    reopen: async () => await opened.reopen(),
    async makeSpace() {
      await ballast.remove();
    },
    async cleanup() {
      await opened.cleanup();
      await servers[Symbol.asyncDispose]();
    },
  };
}

/** A stream of somebody else that takes what the ledger could have; `remove` gives it back. */
export async function takeSpace(
  servers: readonly string[],
  bytes: number,
): Promise<{ remove(): Promise<void> }> {
  const name = `ballast-${++namespaces}`;
  await using bus = await openBus({ servers, node: "ballast" });
  const jsm = await jetstreamManager(bus.connection);
  await jsm.streams.add({ name, subjects: [name] });
  const message = new Uint8Array(50_000);
  for (let taken = 0; taken < bytes; taken += message.length) {
    const answer = await bus.connection.request(name, message);
    if (answer.string().includes('"error"')) break;
  }
  return {
    async remove() {
      await using again = await openBus({ servers, node: "ballast" });
      await (await jetstreamManager(again.connection)).streams.delete(name);
    },
  };
}

/** Servers are shared by many tests; what one leaves behind slows the others. */
export async function dropNamespace(servers: readonly string[], namespace: string): Promise<void> {
  await using bus = await openBus({ servers, node: "cleanup" });
  const jsm = await jetstreamManager(bus.connection);
  for await (const name of jsm.streams.names(`vnes.${namespace}.>`)) await jsm.streams.delete(name);
}
