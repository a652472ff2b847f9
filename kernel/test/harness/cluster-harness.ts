/** Several nodes of one system in this process: the same capsules, a ledger each, one hub between them, one clock. */
import {
  LedgerMemory,
  MemoryClock,
  MemoryLedgerStore,
  memoryMessenger,
  MessengerHub,
} from "@vnes/driver-memory";
import { ledgerGroupOf, type Messenger, type Node, type NodeParts, ownerTable } from "@vnes/kernel";
import { capsule, later, type Turn } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import { bootTestNode, manifestOf, type TestCapsule, topicOf } from "./node-harness.ts";

const GROUPS = 16;
const anything = { type: "object" };
const SHED = { policy: "shed", buffer: 100 } as const;
const keyed = { type: "object", required: ["key"], x_shard_key: "/key" };

/** Eight shards, by key, each on the node that its hash says: counts calls, and keeps the order of events. */
export const tally: TestCapsule = {
  manifest: manifestOf("test.tally", {
    capabilities: { provides: ["test.tally"] },
    bus: { subscribes: ["test.noted.v1", "test.flash.v1"] },
    state: { owns: ["n/", "e/", "f/"], shares: ["n/"], shards: 8 },
  }),
  spec: {
    "spec/schema.json": {
      $defs: { "test.tally.note.input": keyed, "test.tally.get.input": keyed, "test.tally.no.input": keyed },
    },
  },
  bundle: () => {
    const push = (turn: Turn, name: string, value: Json): void => {
      turn.keys.set(name, [...((turn.keys.get(name) as Json[] | undefined) ?? []), value]);
    };
    return capsule({
      calls: {
        "test.tally.note": (turn, input) => {
          const { key, n } = input as { key: string; n: number };
          push(turn, `n/${key}`, n);
          return n;
        },
        "test.tally.get": (turn, input) => {
          const { key } = input as { key: string };
          return ["n", "e", "f"].map((kind) => (turn.keys.get(`${kind}/${key}`) as Json | undefined) ?? []);
        },
      },
      events: {
        "test.noted.v1": (turn, event) => {
          const { key, n } = event as { key: string; n: number };
          push(turn, `e/${key}`, n);
        },
        "test.flash.v1": (turn, event) => {
          const { key, n } = event as { key: string; n: number };
          push(turn, `f/${key}`, n);
        },
      },
    });
  },
};

/** One shard on each node: what it hears and is asked there, and calls made from there. */
export const desk: TestCapsule = {
  manifest: manifestOf("test.desk", {
    capabilities: { provides: ["test.desk"], requires: ["test.tally"] },
    bus: { subscribes: [{ topic: "test.noted.v1", from: "beginning" }, "test.flash.v1"] },
    state: { owns: ["log"], placement: "each_node" },
  }),
  spec: {
    "spec/schema.json": {
      $defs: Object.fromEntries(["log", "note"].map((name) => [`test.desk.${name}.input`, anything])),
    },
  },
  bundle: () => {
    const log = (turn: Turn, what: string): void =>
      turn.keys.set("log", [...((turn.keys.get("log") as string[] | undefined) ?? []), what]);
    const named = (event: Json): string => {
      const { key, n } = event as { key: string; n: number };
      return `${key}${n}`;
    };
    return capsule({
      calls: {
        "test.desk.log": (turn) => turn.keys.get("log") ?? [],
        "test.desk.note": (turn, input, { callId }) => {
          turn.call({
            ...{ capability: "test.tally", method: "note", input, tag: "noted", context: callId },
            timeoutMs: 60_000,
          });
          return later;
        },
      },
      answers: { noted: (turn, answer, context) => turn.answer(context as string, answer) },
      events: {
        "test.noted.v1": (turn, event) => log(turn, `noted ${named(event)}`),
        "test.flash.v1": (turn, event) => log(turn, `flash ${named(event)}`),
      },
    });
  },
};

/** Numbers what it is told; publishes it, asks the tally, and answers when the tally has. */
export const intake: TestCapsule = {
  manifest: manifestOf("test.intake", {
    capabilities: { provides: ["test.intake"], requires: ["test.tally"] },
    bus: { publishes: ["test.noted.v1", "test.flash.v1"] },
    state: { owns: ["count/"], reads: [{ capsule: "test.tally", prefix: "n/" }] },
  }),
  spec: {
    "spec/schema.json": {
      $defs: Object.fromEntries(
        ["add", "flash", "look"].map((name) => [`test.intake.${name}.input`, anything]),
      ),
    },
    "spec/topics/test.noted.v1.json": topicOf("test.noted.v1", "test.intake", {
      quality: "exactly_once",
      partition: { count: 4 },
    }),
    "spec/topics/test.flash.v1.json": topicOf("test.flash.v1", "test.intake", {
      quality: "at_most_once",
      flow: SHED,
    }),
  },
  bundle: () =>
    capsule({
      calls: {
        "test.intake.add": (turn, input, { callId }) => {
          const { key } = input as { key: string };
          const n = ((turn.keys.get(`count/${key}`) as number | undefined) ?? 0) + 1;
          turn.keys.set(`count/${key}`, n);
          turn.publish("test.noted.v1", key, { key, n });
          turn.call({
            capability: "test.tally",
            method: "note",
            input: { key, n },
            tag: "noted",
            context: callId,
            timeoutMs: 60_000,
          });
          return later;
        },
        "test.intake.look": (turn, input, { callId }) => {
          const { shard } = input as { shard: number };
          turn.read({ capsule: "test.tally", shard, prefix: "n/", tag: "noted", context: callId });
          return later;
        },
        "test.intake.flash": (turn, input) => {
          const { key } = input as { key: string };
          turn.publish("test.flash.v1", key, { key, n: 1 });
          return null;
        },
      },
      answers: {
        noted: (turn, answer, context) => turn.answer(context as string, answer),
      },
    }),
};

export interface Running {
  readonly name: string;
  readonly node: Node;
  readonly messenger: Messenger;
  readonly store: MemoryLedgerStore;
}

export class TestCluster {
  readonly hub: MessengerHub;
  readonly clock: MemoryClock = new MemoryClock();
  readonly names: readonly string[];
  readonly running = new Map<string, Running>();
  readonly #memories = new Map<string, LedgerMemory>();
  readonly #owners: Record<string, number[]> = {};
  #seed = 1;

  /** Groups are dealt out in turn. */
  constructor(names: readonly string[], hub: MessengerHub = new MessengerHub()) {
    this.names = names;
    this.hub = hub;
    for (const name of names) this.#owners[name] = [];
    for (let group = 0; group < GROUPS; group++)
      this.#owners[names[group % names.length] as string]?.push(group);
  }

  /** The node that owns the shard. */
  ownerOf(shard: string): string {
    const group = Number(ledgerGroupOf(shard, GROUPS).slice(1));
    return this.names[group % this.names.length] as string;
  }

  memory(name: string): LedgerMemory {
    const known = this.#memories.get(name) ?? new LedgerMemory();
    this.#memories.set(name, known);
    return known;
  }

  async boot(
    name: string,
    options: {
      readonly capsules?: readonly TestCapsule[];
      readonly owners?: { readonly [node: string]: readonly number[] };
      readonly faults?: ConstructorParameters<typeof MemoryLedgerStore>[1];
      readonly sandbox?: NodeParts["sandbox"];
    } = {},
  ): Promise<Running> {
    const made = ownerTable({ groups: GROUPS, owners: options.owners ?? this.#owners }, name);
    if (!made.ok) throw new Error(made.problem);
    const messenger = memoryMessenger(this.hub, name, this.clock, ++this.#seed);
    const store = new MemoryLedgerStore(this.memory(name), options.faults);
    const { node } = await bootTestNode({
      capsules: options.capsules ?? [intake, tally],
      clock: this.clock,
      parts: {
        node: name,
        ledger: store,
        random: { seed: () => (++this.#seed).toString(16).padStart(16, "0") },
        cluster: { table: made.table, messenger },
        ...(options.sandbox === undefined ? {} : { sandbox: options.sandbox }),
      },
    });
    const running = { name, node, messenger, store };
    this.running.set(name, running);
    return running;
  }

  async bootAll(options: Parameters<TestCluster["boot"]>[1] = {}): Promise<void> {
    for (const name of this.names) await this.boot(name, options);
  }

  node(name: string): Node {
    return (this.running.get(name) as Running).node;
  }

  /** As `kill -9`: nothing more leaves it, and nobody hears how it ended. */
  async kill(name: string): Promise<void> {
    const { messenger, store } = this.running.get(name) as Running;
    await messenger[Symbol.asyncDispose]();
    store.crash();
    this.running.delete(name);
  }

  /** Lets things happen for so many steps of time. */
  async run(steps: number, stepMs = 20): Promise<void> {
    for (let step = 0; step < steps; step++) {
      await this.rounds(8);
      this.clock.advance(stepMs);
    }
  }

  /** The same without time passing: so many rounds of the event loop. */
  async rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round++) await new Promise((resume) => setImmediate(resume));
  }

  async ask(name: string, capability: string, method: string, input: Json, steps = 200): Promise<Json> {
    let answer: unknown;
    void this.node(name)
      .call(capability, method, input, 60_000)
      .then((given) => {
        answer = given;
      });
    for (let step = 0; step < steps && answer === undefined; step++) await this.run(1);
    return (answer ?? "no answer") as Json;
  }

  async end(): Promise<void> {
    for (const { node } of this.running.values()) await node[Symbol.asyncDispose]();
  }
}
