/** Capsules with many topics, for benchmarks: each owns a hundred and listens to a hundred. */
import { capsule } from "@vnes/sdk";
import { manifestOf, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";

export const TOPICS_A_CAPSULE = 100;

export function topicName(speaker: number, index: number): string {
  return `bench.s${speaker}x${index}.v1`;
}

/** Owns a hundred topics and listens to those of the one before it. */
export function speaker(index: number): TestCapsule {
  const id = `test.speaker${index}`;
  const names = (of: number) => Array.from({ length: TOPICS_A_CAPSULE }, (_, n) => topicName(of, n));
  const own = names(index);
  const heard = index === 0 ? [] : names(index - 1);
  const definitions = own.map((topic) => {
    const definition = {
      schema_version: "v1",
      topic,
      owner: id,
      description: "for a benchmark",
      schemas: [{ type: "object" }],
      partition: { count: 1 },
      quality: "exactly_once",
      retention: {},
      flow: { policy: "block", buffer: 100 },
    };
    return [`spec/topics/${topic}.json`, definition] as const;
  });
  return {
    manifest: manifestOf(id, {
      capabilities: { provides: [id] },
      bus: { publishes: own, subscribes: heard },
    }),
    spec: {
      "spec/schema.json": { $defs: { [`${id}.say.input`]: { type: "string" } } },
      ...Object.fromEntries(definitions),
    },
    bundle: () =>
      capsule({
        calls: {
          [`${id}.say`]: (turn, topic) => {
            turn.publish(topic as string, "k", {});
            return null;
          },
        },
        events: Object.fromEntries(heard.map((topic) => [topic, () => undefined])),
      }),
  };
}
