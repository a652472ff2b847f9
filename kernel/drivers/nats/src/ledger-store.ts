/**
 * The ledger store of nodes that share NATS servers. Shards lie in groups, a group is one stream and has one owner; see
 * docs/bus-and-state.md for the rules (J1 to J7) and the files beside this one for who keeps them.
 *
 * Owns the groups this node claimed, one subscription for all acknowledgements, and the timer all of them run by.
 */
import { randomBytes } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import { createInbox, headers, type Msg, type Subscription } from "@nats-io/transport-node";
import {
  appendProblem,
  assertTrim,
  chunkProblem,
  type Clock,
  ledgerErrors,
  type LedgerStore,
  type NewRecord,
  type StoredRecord,
  type Trimmed,
} from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { BatchCache } from "./batch-cache.ts";
import { busErrors } from "./bus-errors.ts";
import { ChunkStore } from "./chunk-store.ts";
import type { Bus } from "./connection.ts";
import type { Claim } from "./control-message.ts";
import { GroupOwner, type Refusal } from "./group-owner.ts";
import { GroupView } from "./group-view.ts";
import { LEASE_MS } from "./lease.ts";
import { partBytes } from "./message-size.ts";
import type { Sent } from "./pipeline.ts";
import { reclaim } from "./reclaim.ts";
import { API_TIMEOUT_MS, problemOf, type ServerLink } from "./server-link.ts";
import { StoreLease } from "./store-lease.ts";
import { assertNamespace, defaultReplicas, ledgerSubject } from "./streams.ts";

/** How often what waits is looked at: resends, budgets, beats. */
const TICK_MS = 5;

export interface NatsLedgerOptions {
  readonly bus: Bus;
  /** Several systems can share servers: 1 to 32 lower case letters, digits and dashes. */
  readonly namespace: string;
  readonly node: string;
  /** Kept in the data directory: whoever has it is the same owner after a restart. */
  readonly instance: string;
  /** How many groups the shards are shared among; remembered by the servers, and refused when it differs. */
  readonly groups: number;
  /** Name of the group a shard lies in. */
  groupOf(shard: string): string;
  /** Groups this node claims. */
  readonly owns: readonly string[];
  /** Copies of each stream, when it is made; 3 in a cluster, 1 otherwise. */
  readonly replicas?: number;
  /** Must count sleep; without it, time that stands still while the machine sleeps. */
  readonly clock?: Pick<Clock, "now">;
  readonly leaseMs?: number;
  /** Another node's lease is waited out before its group is claimed. */
  onWait?(group: string, owner: Claim, ms: number): void;
}

/** Rejects with `LEDGER_IN_USE`, `LEDGER_FILE_CORRUPT`, `LEDGER_UNREACHABLE` or a `BUS_` code. */
export async function openNatsLedgerStore(options: NatsLedgerOptions): Promise<NatsLedgerStore> {
  assertNamespace(options.namespace);
  const { connection } = options.bus;
  if (connection.info?.jetstream !== true) {
    const details = { server: connection.getServer(), problem: "JetStream is switched off" };
    throw busErrors.create("BUS_NO_JETSTREAM", details);
  }
  const link: ServerLink = {
    bus: options.bus,
    jsm: await jetstreamManager(connection, { timeout: API_TIMEOUT_MS, checkAPI: false }),
    namespace: options.namespace,
    replicas: options.replicas ?? defaultReplicas(connection.info.cluster !== undefined),
    clock: options.clock ?? { now: () => performance.now() },
    cache: new BatchCache(),
  };
  const store = new NatsLedgerStore(link, options);
  try {
    await store.open();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return store;
}

export class NatsLedgerStore implements LedgerStore {
  readonly #link: ServerLink;
  readonly #options: NatsLedgerOptions;
  readonly #boot: string = randomBytes(8).toString("hex");
  readonly #inbox: string = createInbox();
  readonly #owners = new Map<string, GroupOwner>();
  /** Groups of others this node reads, opened when first asked for. */
  readonly #views = new Map<string, Promise<GroupView>>();
  readonly #chunks: ChunkStore;
  readonly #acknowledgements: Subscription;
  readonly #timer: NodeJS.Timeout;
  readonly #forgetReconnect: () => void;
  readonly #trims = new Map<string, Promise<unknown>>();
  readonly lease: StoreLease;
  #closing: Promise<void> | undefined;

  /** Use `openNatsLedgerStore`. */
  constructor(link: ServerLink, options: NatsLedgerOptions) {
    this.#link = link;
    this.#options = options;
    const { connection } = link.bus;
    this.#chunks = new ChunkStore(link);
    this.#acknowledgements = connection.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (error === null) this.#acknowledged(message);
      },
    });
    const { node, instance, leaseMs = LEASE_MS, onWait } = options;
    for (const group of options.owns) {
      const owner = new GroupOwner({
        view: new GroupView(link, group),
        claimant: { boot: this.#boot, node, instance, leaseMs },
        partBytes: () => partBytes(link.bus),
        now: () => link.clock.now(),
        send: (to, message) => this.#send(to, message),
        ...(onWait === undefined ? {} : { onWait }),
      });
      this.#owners.set(group, owner);
    }
    this.lease = new StoreLease(this.#owners, options.groupOf);
    this.#timer = setInterval(() => {
      for (const owner of this.#owners.values()) owner.tick();
      this.lease.tick();
    }, TICK_MS);
    this.#timer.unref();
    this.#forgetReconnect = link.bus.onReconnect(() => {
      for (const owner of this.#owners.values()) owner.reconnected();
      for (const view of this.#views.values()) view.then((one) => one.reconnected()).catch(() => undefined);
    });
  }

  async open(): Promise<void> {
    await Promise.all([
      this.#chunks.open(this.#options.groups),
      ...[...this.#owners.values()].map(async ({ view }) => await view.open()),
    ]);
    await this.#claim();
  }

  append(shard: string, expectedSeq: number, records: readonly NewRecord[]): Promise<number> {
    if (this.#closing !== undefined) return Promise.reject(this.#closed());
    const problem = appendProblem(shard, records);
    if (problem !== undefined) return Promise.reject(problem);
    const owner = this.#owners.get(this.#options.groupOf(shard));
    if (owner === undefined) return Promise.reject(this.#notOwned(shard));
    return owner.append(shard, expectedSeq, records);
  }

  async read(shard: string, from: number, limit: number): Promise<readonly StoredRecord[]> {
    return await (await this.#view(shard)).read(shard, from, limit);
  }

  async lastSeq(shard: string): Promise<number> {
    return (await this.#view(shard)).fold.index.head(shard);
  }

  async firstSeq(shard: string): Promise<number> {
    return (await this.#view(shard)).fold.index.first(shard);
  }

  async lastSnapshot(shard: string): Promise<number> {
    return (await this.#view(shard)).fold.index.snapshot(shard);
  }

  /** Of the groups this node owns. */
  async shards(): Promise<readonly string[]> {
    this.#assertOpen();
    return [...this.#owners.values()].flatMap(({ view }) => view.fold.index.names()).sort();
  }

  async putChunk(shard: string, name: string, bytes: Uint8Array): Promise<void> {
    this.#owner(shard);
    const problem = chunkProblem(shard, bytes);
    if (problem !== undefined) throw problem;
    await this.#chunks.put(shard, name, bytes);
  }

  async readChunk(shard: string, name: string): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    return await this.#chunks.read(shard, name);
  }

  /** One at a time in a group: each moves what the next one would read. */
  async trim(shard: string, before: number, keepChunks: ReadonlySet<string>): Promise<Trimmed> {
    const owner = this.#owner(shard);
    const { group, fold } = owner.view;
    assertTrim(shard, before, fold.index.snapshot(shard));
    const earlier = this.#trims.get(group) ?? Promise.resolve();
    const spared = this.#chunks.beginDrop();
    const trimming = earlier
      .catch(() => undefined)
      .then(async () => {
        const records = await this.#trimRecords(owner, shard, before);
        return { records, chunks: await this.#chunks.dropOthers(shard, keepChunks, spared) };
      })
      .finally(() => this.#chunks.endDrop(spared));
    this.#trims.set(group, trimming);
    return await trimming;
  }

  async sizeBytes(): Promise<number> {
    this.#assertOpen();
    const sizes = await Promise.all([
      this.#chunks.sizeBytes(),
      ...[...this.#owners.values()].map(async ({ view }) => await view.sizeBytes()),
    ]);
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * One after the other, in an order that all nodes have: of two that claim the same groups at one moment, who gets the first
   * gets all. Side by side each could get some, be refused the others, and nobody went on. Of two with one identity, who comes
   * second to the first group stops there, and who loses it stops wherever it is.
   */
  async #claim(): Promise<void> {
    const names = [...this.#owners.keys()].sort();
    const owners = names.map((name) => this.#owners.get(name) as GroupOwner);
    const [first] = owners;
    for (const owner of owners) {
      await owner.claim(() => owner === first || first?.lost !== undefined);
      if (first?.lost !== undefined) throw first.lost;
    }
  }

  async #close(): Promise<void> {
    this.#forgetReconnect();
    await Promise.all([...this.#owners.values()].map(async (owner) => await owner.close()));
    for (const view of this.#views.values()) view.then((one) => one.stop()).catch(() => undefined);
    clearInterval(this.#timer);
    if (!this.#link.bus.connection.isClosed()) this.#acknowledgements.unsubscribe();
  }

  async #trimRecords(owner: GroupOwner, shard: string, before: number): Promise<number> {
    const { index } = owner.view.fold;
    const first = index.first(shard);
    if (first === 0 || before <= first) return 0;
    await owner.write([{ kind: "trim", shard, seq: before }]);
    await reclaim(this.#link, owner, shard);
    return index.first(shard) - first;
  }

  #send(group: string, { kind, data, expected, id, round }: Sent): void {
    const { bus, namespace } = this.#link;
    // Over the next connection everything is sent again.
    if (!bus.isConnected) return;
    const head = headers();
    head.set("Nats-Expected-Last-Sequence", `${expected}`);
    head.set("Nats-Msg-Id", id);
    if (kind === "beat" || kind === "purge") head.set("Nats-Rollup", "sub");
    const reply = `${this.#inbox}.${group}.${round}`;
    const subject = ledgerSubject(namespace, group, kind, this.#boot);
    try {
      bus.connection.publish(subject, data, { headers: head, reply });
    } catch (error) {
      // Cut for a server that took more than this one. It waits, as for a server that is away.
      const most = bus.connection.info?.max_payload;
      const problem = `${problemOf(error)}: ${data.length} bytes wait, and the server takes ${most}`;
      const refusal = { code: undefined, problem, lastSeq: undefined };
      setImmediate(() => this.#owners.get(group)?.refused(round, refusal));
    }
  }

  #acknowledged(message: Msg): void {
    const [group = "", round = ""] = message.subject.slice(this.#inbox.length + 1).split(".");
    const refusal = refusalOf(message);
    if (refusal !== undefined) this.#owners.get(group)?.refused(Number(round), refusal);
  }

  async #view(shard: string): Promise<GroupView> {
    this.#assertOpen();
    const group = this.#options.groupOf(shard);
    const owner = this.#owners.get(group);
    if (owner !== undefined) return owner.view;
    const known = this.#views.get(group);
    if (known !== undefined) return await known;
    const view = new GroupView(this.#link, group);
    const opening = view.open().then(() => view);
    this.#views.set(group, opening);
    opening.catch(() => this.#views.delete(group));
    return await opening;
  }

  #owner(shard: string): GroupOwner {
    this.#assertOpen();
    const owner = this.#owners.get(this.#options.groupOf(shard));
    if (owner === undefined) throw this.#notOwned(shard);
    if (owner.lost !== undefined) throw owner.lost;
    return owner;
  }

  #notOwned(shard: string): VnesError {
    return ledgerErrors.create("LEDGER_NOT_OWNED", { shard, group: this.#options.groupOf(shard) });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw this.#closed();
  }

  #closed(): VnesError {
    return ledgerErrors.create("LEDGER_CLOSED", { path: `${this.#link.namespace} on NATS` });
  }
}

const WRONG_LAST_SEQUENCE = /wrong last sequence: (\d+)/;

/** Undefined for a message that was stored, now or before. */
function refusalOf(message: Msg): Refusal | undefined {
  if (message.headers?.code === 503)
    return { code: undefined, problem: "no server takes messages for the stream", lastSeq: undefined };
  const text = message.string();
  if (!text.includes('"error"')) return undefined;
  const { error } = JSON.parse(text) as {
    readonly error?: { readonly err_code?: number; readonly description?: string };
  };
  const problem = error?.description ?? "refused";
  const last = WRONG_LAST_SEQUENCE.exec(problem)?.[1];
  return { code: error?.err_code, problem, lastSeq: last === undefined ? undefined : Number(last) };
}
