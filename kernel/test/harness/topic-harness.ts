/** A node with topics under test, and its ledger read back record by record. */
import { LedgerMemory, MemoryClock, MemoryLedgerStore, type SandboxFaults } from "@vnes/driver-memory";
import type { Json } from "@vnes/schemas";
import {
  decodeRecord,
  type LedgerRecord,
  type PositionRecord,
  type TurnRecord,
} from "../../src/ledger/record.ts";
import type { NodeParts } from "@vnes/kernel";
import { bootTestNode, type TestCapsule, type TestNode } from "./node-harness.ts";

export interface TopicNode extends TestNode {
  readonly memory: LedgerMemory;
  /** `test.noter` publishes `count` events from `from` on. */
  notes(count: number, from?: number): Promise<void>;
  /** What a reader or a batcher wrote down. */
  got(id?: string): Promise<Json>;
  records(shard: string): Promise<readonly LedgerRecord[]>;
  turns(shard: string): Promise<readonly TurnRecord[]>;
  positions(shard: string): Promise<readonly PositionRecord[]>;
  /** Events on the topic of dead letters. */
  letters(): Promise<readonly { readonly [field: string]: Json }[]>;
  close(): Promise<void>;
}

export async function bootTopics(
  capsules: readonly TestCapsule[],
  options: {
    readonly memory?: LedgerMemory;
    readonly clock?: MemoryClock;
    readonly sandboxFaults?: SandboxFaults;
    readonly parts?: Partial<NodeParts>;
  } = {},
): Promise<TopicNode> {
  const memory = options.memory ?? new LedgerMemory();
  const clock = options.clock ?? new MemoryClock();
  const store = new MemoryLedgerStore(memory);
  const { sandboxFaults = {} } = options;
  const node = await bootTestNode({
    capsules,
    clock,
    sandboxFaults,
    parts: { ...options.parts, ledger: store },
  });
  const records = async (shard: string): Promise<readonly LedgerRecord[]> => {
    const stored = await store.read(shard, 1, 1_000_000);
    return stored.map(({ seq, bytes }) => decodeRecord(shard, seq, bytes));
  };
  return {
    ...node,
    memory,
    records,
    turns: async (shard) => (await records(shard)).filter((record) => record.kind === "turn"),
    positions: async (shard) => (await records(shard)).filter((record) => record.kind === "position"),
    notes: async (count, from = 0) => {
      await node.ask("test.noter", "notes", { count, from });
      await node.settle();
    },
    got: async (id = "test.reader") => ((await node.ask(id, "got", {})) as { value: Json }).value,
    letters: async () =>
      (await records("topic/vnes.deadletter.v1/0")).flatMap((record) =>
        record.kind === "event" ? [record.event as { readonly [field: string]: Json }] : [],
      ),
    close: () => node.node[Symbol.asyncDispose](),
  };
}
