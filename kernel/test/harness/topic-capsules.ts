/** Capsules for tests of topics: one that publishes what it is told to, one that writes down what it got. */
import { capsule, type Turn } from "@vnes/sdk";
import type { Json, SubscriptionEntry, TopicDefinition } from "@vnes/schemas";
import { manifestOf, type TestCapsule, topicOf } from "./node-harness.ts";

export const TOPIC = "test.noted.v1";

export function noted(more: Partial<TopicDefinition> = {}): TopicDefinition {
  return topicOf(TOPIC, "test.noter", { flow: { policy: "block", buffer: 1_000 }, ...more });
}

const METHOD = { type: "object" };

/** `test.noter.note {key, event}` publishes one event, `.notes {count, from}` many: `{n}` from `from` on, key `k<n % 3>`. */
export function noter(definition: TopicDefinition = noted()): TestCapsule {
  return {
    manifest: manifestOf("test.noter", {
      capabilities: { provides: ["test.noter"] },
      bus: { publishes: [TOPIC] },
    }),
    spec: {
      "spec/schema.json": { $defs: { "test.noter.note.input": METHOD, "test.noter.notes.input": METHOD } },
      [`spec/topics/${definition.topic}.json`]: definition,
    },
    bundle: () =>
      capsule({
        calls: {
          "test.noter.note": (turn, input) => {
            const { key, event } = input as { key: string; event: Json };
            turn.publish(TOPIC, key, event);
            return null;
          },
          "test.noter.notes": (turn, input) => {
            const { count, from = 0 } = input as { count: number; from?: number };
            for (let n = from; n < from + count; n++) turn.publish(TOPIC, `k${n % 3}`, { n });
            return null;
          },
        },
      }),
  };
}

type OnEvent = (turn: Turn, event: { readonly n: number }, seq: number) => void;

/** Writes every `n` it gets under `got/<count>`; `test.reader.got` lists them in that order. */
export function reader(
  entry: SubscriptionEntry | string = TOPIC,
  { onEvent, id = "test.reader", tier = "D0_bit_exact" }: ReaderOptions = {},
): TestCapsule {
  const keep = (turn: Turn, n: Json): void => {
    const count = (turn.keys.get("count") as number | undefined) ?? 0;
    turn.keys.set("count", count + 1);
    turn.keys.set(`got/${String(count).padStart(6, "0")}`, n);
  };
  return {
    manifest: manifestOf(id, {
      capabilities: { provides: [id], determinism_tier: tier },
      bus: { subscribes: [entry] },
      state: { owns: ["got/", "count"] },
    }),
    spec: { "spec/schema.json": { $defs: { [`${id}.got.input`]: METHOD } } },
    bundle: () =>
      capsule({
        calls: { [`${id}.got`]: (turn) => turn.keys.entries("got/").map(([, value]) => value) },
        events: {
          [TOPIC]: (turn, event, { seq }) => {
            const noted = event as unknown as { n: number };
            onEvent?.(turn, noted, seq ?? -1);
            keep(turn, noted.n);
          },
        },
      }),
  };
}

export interface ReaderOptions {
  readonly onEvent?: OnEvent;
  readonly id?: string;
  readonly tier?: "D0_bit_exact" | "NX_experimental";
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Defines the topic of dead letters as the core observability capsule does. */
export const letters: TestCapsule = {
  manifest: manifestOf("test.letters", {}),
  spec: {
    "spec/topics/vnes.deadletter.v1.json": noted({
      topic: "vnes.deadletter.v1",
      owner: "test.letters",
      schemas: [{ type: "object", required: ["seq", "code", "attempts"] }],
    }),
  },
  bundle: () => capsule({}),
};

/** Takes batches: writes each down as the list of its `n`. */
export function batcher(entry: Omit<SubscriptionEntry, "topic">, onEvent?: (n: number) => void): TestCapsule {
  const id = "test.batcher";
  return {
    manifest: manifestOf(id, {
      capabilities: { provides: [id] },
      bus: { subscribes: [{ topic: TOPIC, ...entry }] },
      state: { owns: ["got/", "count"] },
    }),
    spec: { "spec/schema.json": { $defs: { [`${id}.got.input`]: METHOD } } },
    bundle: () =>
      capsule({
        calls: { [`${id}.got`]: (turn) => turn.keys.entries("got/").map(([, value]) => value) },
        batches: {
          [TOPIC]: (turn, events) => {
            const list = events.map(({ event }) => (event as { n: number }).n);
            for (const n of list) onEvent?.(n);
            const count = (turn.keys.get("count") as number | undefined) ?? 0;
            turn.keys.set("count", count + 1);
            turn.keys.set(`got/${String(count).padStart(6, "0")}`, list);
          },
        },
      }),
  };
}
