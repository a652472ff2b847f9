/** One capsule that publishes an event when it is asked to, and one that counts what it hears: with a schema and without. */
import { capsule } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import { manifestOf, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";

export const TOPIC = "bench.metrics.v1";

/** About 350 bytes of JSON, as a gateway reports it. */
export function eventOf(seq: number): Json {
  return {
    session: `ses_${seq.toString(36).padStart(20, "0")}`,
    gateway: "gateway-eu-west-7",
    at: 1_700_000_000_000 + seq,
    path: { id: seq % 16, kind: "udp", local: "10.0.0.7:51820", remote: "203.0.113.9:443", epoch: 3 },
    rtt_ms: { p50: 23.4, p90: 31.2, p99: 77.9 },
    loss: 0.0025,
    bytes: { sent: 183_224_123, received: 9_912_448_221 },
    state: "ATTACHED",
  };
}

const whole = { type: "integer", minimum: 0 };
const ratio = { type: "number", minimum: 0 };
const text = (maxLength: number): Json => ({ type: "string", minLength: 1, maxLength });
const object = (properties: { readonly [name: string]: Json }): Json => ({
  type: "object",
  required: Object.keys(properties),
  additionalProperties: false,
  properties,
});

/** Every member bounded, nothing else let in. */
const strict: Json = object({
  session: { type: "string", pattern: "^ses_[0-9a-z]{20}$" },
  gateway: text(64),
  at: whole,
  path: object({
    id: whole,
    kind: { enum: ["udp", "tcp", "wss"] },
    local: text(64),
    remote: text(64),
    epoch: whole,
  }),
  rtt_ms: object({ p50: ratio, p90: ratio, p99: ratio }),
  loss: { type: "number", minimum: 0, maximum: 1 },
  bytes: object({ sent: whole, received: whole }),
  state: { enum: ["ATTACHED", "VOLATILE", "DEGRADED", "RECOVERING"] },
});

export interface Heard {
  events: number;
}

/** `isValidated` false: the topic's schema lets everything pass. */
export function publishCapsules(isValidated: boolean, heard: Heard): readonly TestCapsule[] {
  const definition = {
    schema_version: "v1",
    topic: TOPIC,
    owner: "test.reporter",
    description: "for a benchmark",
    schemas: [isValidated ? strict : {}],
    partition: { count: 1 },
    quality: "exactly_once",
    retention: {},
    flow: { policy: "block", buffer: 100_000 },
  };
  const reporter: TestCapsule = {
    manifest: manifestOf("test.reporter", {
      capabilities: { provides: ["test.reporter"] },
      bus: { publishes: [TOPIC] },
    }),
    spec: {
      "spec/schema.json": { $defs: { "test.reporter.report.input": { type: "integer", minimum: 0 } } },
      [`spec/topics/${TOPIC}.json`]: definition,
    },
    bundle: () =>
      capsule({
        calls: {
          "test.reporter.report": (turn, seq) => {
            turn.publish(TOPIC, "gateway-eu-west-7", eventOf(seq as number));
            return null;
          },
        },
      }),
  };
  const listener: TestCapsule = {
    manifest: manifestOf("test.listener", { bus: { subscribes: [TOPIC] }, state: { owns: ["n"] } }),
    bundle: () =>
      capsule({
        events: {
          [TOPIC]: (turn) => {
            turn.keys.set("n", ((turn.keys.get("n") as number | undefined) ?? 0) + 1);
            heard.events++;
          },
        },
      }),
  };
  return [reporter, listener];
}
