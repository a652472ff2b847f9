/**
 * The other nodes, as the router of this one sees them: who owns what is not here, and the way to it.
 *
 * Z1. An effect that was handed to another node is confirmed when it is durable in the receiver's ledger there, and sent
 *     again until then, also by the next run of this node: what it asked for is in this node's ledger.
 * Z2. Effects of one shard reach one receiver in the order they were asked for (`link/`), and once: receivers drop by
 *     effect id.
 * Z3. Nodes that do not run the same capsules by the same table take nothing from each other, and say so.
 */
import type { Answer, Json, VnesError } from "@vnes/schemas";
import type { OutboxEntry } from "../ledger/outbox.ts";
import { isOwn, type OwnerTable, ownerOf } from "../placement/owner-table.ts";
import type { Clock } from "../ports/clock.ts";
import type { Messenger } from "../ports/messenger.ts";
import { type BackOff, delayMs } from "../runtime/shard/back-off.ts";
import type { Counters } from "../runtime/node/counters.ts";
import type { PartitionReader } from "../runtime/topics/partition-reader.ts";
import { PAGE_SERVICE } from "./event-page.ts";
import { type FlowHolds, FlowNews } from "./flow-news.ts";
import { parseLinkMessage } from "./link-message.ts";
import { PartitionPages } from "./partition-pages.ts";
import { type Ends, LINK_SERVICE, Peer } from "./peer.ts";
import {
  encodeAnswer,
  encodeQuestion,
  parseAnswer,
  parseQuestion,
  type Question,
  QUESTION_SERVICE,
  type RemoteCall,
  type RemoteRead,
  unreached,
} from "./questions.ts";
import { RemotePartition } from "./remote-partition.ts";

/** An answer that takes longer than this is lost; the same question is asked again. */
const ASK_PATIENCE_MS = 2_000;
const ASK_AGAIN: BackOff = { firstMs: 50, maxMs: 1_000 };

/** What a node of several is given. */
export interface Cluster {
  readonly table: OwnerTable;
  /** Disposed by the node. */
  readonly messenger: Messenger;
}

/** What comes from other nodes, and who takes it here. */
export interface Arrivals {
  /** Equal where the same capsules run. */
  readonly program: string;
  /** Names of the ephemeral topics that have a subscriber here. */
  readonly topics: readonly string[];
  effect(entry: OutboxEntry, ends: Ends): void;
  event(topic: string, key: string, event: Json): void;
  answer(question: Question): Promise<Answer>;
  partition(shard: string): PartitionReader | undefined;
  readonly holds: FlowHolds;
}

export class RemoteRoutes {
  readonly #table: OwnerTable;
  readonly #messenger: Messenger;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #peers = new Map<string, Peer>();
  readonly #partitions = new Map<string, RemotePartition>();
  #arrivals: Arrivals | undefined;
  #flow: FlowNews | undefined;
  #program = "";
  #isClosed = false;

  /** `run` differs for every run of every node. */
  constructor({ table, messenger }: Cluster, clock: Clock, counters: Counters, run: string) {
    this.#table = table;
    this.#messenger = messenger;
    this.#clock = clock;
    this.#counters = counters;
    for (const name of table.nodes) {
      if (name === table.node) continue;
      const program = (): string => this.#program;
      const arrive = (entry: OutboxEntry, ends: Ends): void => this.#arrivals?.effect(entry, ends);
      this.#peers.set(name, new Peer({ name, messenger, clock, counters, run, program, arrive }));
    }
  }

  isOwn(shard: string): boolean {
    return isOwn(this.#table, shard);
  }

  /** True when another node owns the shard. */
  isElsewhere(shard: string): boolean {
    return this.#peerOf(shard) !== undefined;
  }

  /** Takes the effect to the owner of `shard`; false when that is no other node. */
  send(shard: string, entry: OutboxEntry, ends: Ends): boolean {
    const peer = this.#peerOf(shard);
    peer?.send(entry, ends);
    return peer !== undefined;
  }

  /** To subscribers on other nodes, at most once. */
  publish(topic: string, key: string, event: Json): void {
    const payload = new TextEncoder().encode(JSON.stringify({ key, event }));
    const isSmall = payload.length <= this.#messenger.maxPublishBytes;
    if (!isSmall || !this.#messenger.publish(subjectOf(topic), payload))
      this.#counters.add("ephemeral.unsent");
  }

  /** A call from outside, answered by the node that owns `shard`; undefined when that is no other node. */
  call(shard: string, call: RemoteCall): Promise<Answer> | undefined {
    const owner = this.otherOwner(shard);
    return owner === undefined
      ? undefined
      : this.#ask(owner, { kind: "call", ...call }, call.timeoutMs).catch(unreached);
  }

  /** Reads of another capsule's keys change nothing: one that was lost is asked again until `deadlineAt`. */
  read(shard: string, read: RemoteRead, deadlineAt: number): Promise<Answer> | undefined {
    const owner = this.otherOwner(shard);
    return owner === undefined ? undefined : this.#askAgain(owner, { kind: "read", ...read }, deadlineAt);
  }

  /** The partition of another node, to read; undefined when it is no other node's. */
  partition(shard: string, topic: string, index: number): RemotePartition | undefined {
    const owner = this.otherOwner(shard);
    if (owner === undefined) return undefined;
    const known = this.#partitions.get(shard);
    if (known !== undefined) return known;
    const { messenger, clock, counters } = this.#reach();
    const made = new RemotePartition({ shard, topic, index, owner, messenger, clock, counters });
    this.#partitions.set(shard, made);
    return made;
  }

  /** From now on this node takes what others send: everything it would hand it to is there. */
  serve(arrivals: Arrivals): void {
    const { messenger, clock, counters } = this.#reach();
    this.#arrivals = arrivals;
    this.#program = `${this.#table.fingerprint}.${arrivals.program}`;
    messenger.serve(LINK_SERVICE, (bytes, from) => {
      const message = parseLinkMessage(bytes);
      const peer = this.#peers.get(from);
      if (message === undefined || peer === undefined) counters.add("remote.unreadable");
      else peer.hear(message);
      return undefined;
    });
    const pages = new PartitionPages(clock, (shard) => arrivals.partition(shard));
    messenger.serve(PAGE_SERVICE, (bytes) => pages.answer(bytes));
    messenger.serve(QUESTION_SERVICE, async (bytes) => {
      const question = parseQuestion(bytes);
      if (question === undefined) throw new Error("not a question");
      if (this.#isClosed) throw new Error("this node answers no more");
      return encodeAnswer(await arrivals.answer(question));
    });
    this.#flow = new FlowNews(this.#reach(), arrivals.holds, new Set(this.#peers.keys()));
    for (const peer of this.#peers.values()) peer.start();
    for (const topic of arrivals.topics) {
      messenger.subscribe(subjectOf(topic), (bytes) => this.#hearEvent(topic, bytes));
    }
  }

  problems(): readonly VnesError[] {
    return [...this.#peers.values()].flatMap((peer) => peer.problem() ?? []);
  }

  counts(): { readonly [name: string]: number } {
    const waiting = [...this.#peers].map(([name, peer]) => [`remote.waiting.${name}`, peer.waiting] as const);
    const said = Object.entries(this.#messenger.counts()).map(
      ([name, n]) => [`messenger.${name}`, n] as const,
    );
    return Object.fromEntries([...waiting, ...said]);
  }

  /** This node acts no more: nothing is sent, taken or confirmed. */
  close(): void {
    this.#isClosed = true;
    for (const peer of this.#peers.values()) peer.close();
    for (const partition of this.#partitions.values()) partition.close();
    this.#flow?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#messenger[Symbol.asyncDispose]();
  }

  /** The node that owns the shard, when it is not this one. */
  otherOwner(shard: string): string | undefined {
    const owner = ownerOf(this.#table, shard);
    return owner === this.#table.node ? undefined : owner;
  }

  #ask(owner: string, question: Question, timeoutMs: number): Promise<Answer> {
    const bytes = encodeQuestion(question);
    return this.#messenger.request(owner, QUESTION_SERVICE, bytes, timeoutMs).then(parseAnswer);
  }

  async #askAgain(owner: string, question: Question, deadlineAt: number): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      const left = deadlineAt - this.#clock.now();
      try {
        return await this.#ask(owner, question, Math.max(1, Math.min(left, ASK_PATIENCE_MS)));
      } catch (error) {
        const delay = delayMs(ASK_AGAIN, attempt);
        if (this.#isClosed || this.#clock.now() + delay >= deadlineAt) return unreached(error);
        await new Promise<void>((resume) => {
          this.#clock.wakeAt(this.#clock.now() + delay, resume);
        });
      }
    }
  }

  #peerOf(shard: string): Peer | undefined {
    return this.#peers.get(ownerOf(this.#table, shard) ?? "");
  }

  #reach(): { readonly messenger: Messenger; readonly clock: Clock; readonly counters: Counters } {
    return { messenger: this.#messenger, clock: this.#clock, counters: this.#counters };
  }

  #hearEvent(topic: string, bytes: Uint8Array): void {
    let value: { readonly key?: unknown; readonly event?: Json };
    try {
      value = JSON.parse(new TextDecoder().decode(bytes)) as typeof value;
    } catch {
      value = {};
    }
    const { key, event } = value;
    if (typeof key === "string" && event !== undefined) this.#arrivals?.event(topic, key, event);
    else this.#counters.add("ephemeral.unreadable");
  }
}

function subjectOf(topic: string): string {
  return `topic.${topic}`;
}
