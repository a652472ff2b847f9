/** Ledgers made by hand: records in, stored shards out, with true hashes unless a test breaks them. */
import type { StoredRecord } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { Delivery, Effect, Json, TopicDefinition } from "@vnes/schemas";
import { chainHash, genesisHash, hex } from "../../../kernel/src/ledger/chain.ts";
import { encodeRecord, type LedgerRecord, type TurnInput } from "../../../kernel/src/ledger/record.ts";
import { checkLedger } from "../check.ts";
import type { Topology } from "../topology.ts";

const TOPIC: TopicDefinition = {
  schema_version: "v1",
  topic: "t.v1",
  owner: "a",
  schemas: [{}],
  partition: { count: 1 },
  quality: "exactly_once",
  retention: {},
  flow: { policy: "block", buffer: 1 },
} as unknown as TopicDefinition;

const UNKEPT: TopicDefinition = {
  ...TOPIC,
  topic: "u.v1",
  partition: { count: 2 },
  quality: "at_most_once",
};

/** Capsule `a` publishes `t.v1` and, kept nowhere, `u.v1`. `b` subscribes to both, `d` to the latter, on two shards. */
const TOPOLOGY: Topology = {
  topics: new Map([["t.v1", { definition: TOPIC, subscribers: [{ capsule: "b", slots: 1 }] }]]),
  unkept: new Map([
    [
      "u.v1",
      {
        definition: UNKEPT,
        subscribers: [
          { capsule: "b", slots: 1 },
          { capsule: "d", slots: 2 },
        ],
      },
    ],
  ]),
};

export class LedgerMaker {
  readonly stored: Map<string, StoredRecord[]> = new Map();

  /** Appends a record; `at` is its seq unless it says so. */
  add(shard: string, record: object): this {
    const records = this.stored.get(shard) ?? [];
    const seq = records.length + 1;
    const bytes = encodeRecord({ v: 1, seq, at: seq, ...record } as unknown as LedgerRecord);
    const before = records.at(-1)?.hash ?? genesisHash(shard, nodeDigest);
    records.push({ shard, seq, bytes, hash: chainHash(before, bytes, nodeDigest) });
    this.stored.set(shard, records);
    return this;
  }

  turn(shard: string, input: TurnInput, effects: readonly Effect[] = [], more: object = {}): this {
    return this.add(shard, { kind: "turn", seed: "", input, outcome: "ok", effects, released: 0, ...more });
  }

  event(source: readonly [shard: string, seq: number, index: number], event: Json, more: object = {}): this {
    const [shard, seq, index] = source;
    return this.add("topic/t.v1/0", {
      kind: "event",
      source: { shard, seq, index },
      key: "k",
      event,
      ...more,
    });
  }

  hashOf(shard: string, seq: number): string {
    return hex(this.stored.get(shard)?.[seq - 1]?.hash ?? new Uint8Array());
  }

  /** Rules that are broken, in the order they were found. */
  rules(quietAt?: number): readonly string[] {
    const counting = new Map([["a", ["n/"]]]);
    const check = { digest: nodeDigest, topology: TOPOLOGY, quietAt, counting, distinct: new Set(["u.v1"]) };
    return checkLedger(this.stored, check).problems.map(({ rule }) => rule);
  }
}

/** Of `u.v1`. */
export const flash = (event: Json, key = "k"): Effect => ({ do: "publish", topic: "u.v1", key, event });

/** One event of `u.v1`, or several as a batch; key `k` is of partition 0 and of the first of two shards, `l` of the others. */
export const took = (events: readonly Json[], key = "k", partition = 0): TurnInput => {
  const told = { topic: "u.v1", partition };
  const all = events.map((event) => ({ seq: null, key, event }));
  const [first] = all;
  const delivery: Delivery =
    first !== undefined && all.length === 1
      ? { kind: "event", ...told, ...first }
      : { kind: "batch", ...told, events: all };
  return { from: "ephemeral", depth: 0, delivery };
};

export const publish = (event: Json): Effect => ({ do: "publish", topic: "t.v1", key: "k", event });

export const asked = (callId = "control/x:1:0", input: Json = null): TurnInput => ({
  from: "control",
  depth: 0,
  delivery: { kind: "call", callId, capability: "c", method: "m", input, caller: "control", deadlineAt: 0 },
});

export const consumed = (maker: LedgerMaker, seq: number): TurnInput => ({
  from: "topic",
  shard: "topic/t.v1/0",
  seq,
  hash: maker.hashOf("topic/t.v1/0", seq),
});

export const received = (
  [shard, seq, index]: readonly [string, number, number],
  delivery: Delivery,
): TurnInput => ({ from: "effect", shard, seq, index, depth: 0, delivery });
