/** Ten to ten thousand topics on one embedded node, each with a publisher and a subscriber. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { capsule } from "@vnes/sdk";
import type { Json, JsonObject, TopicDefinition } from "@vnes/schemas";
import {
  bootTestNode,
  manifestOf,
  type TestCapsule,
  type TestNode,
} from "../../kernel/test/harness/node-harness.ts";
import { atMost, type BenchResult } from "./result.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Published and heard in each measurement, over all topics in turn. */
const EVENTS = 20_000;
const TOPIC_COUNTS = [10, 100, 1_000, 10_000] as const;
const TOPICS_PER_CAPSULE = 100;
/** Ten times the topics are ten times the statements, maps and windows; an event must not pay for topics it is not on. */
const TARGET_GROWTH = 2;

export const name = "topics";

export const notMeasured: readonly string[] = [
  "the sandbox: capsules run in the kernel's process (see the bench of isolates)",
  "waiting for the disk: figures are processor time of this process, commits included",
  "what one busy topic can take: see the bench named publish",
];

/** About 500 bytes, as a session's or a sensor's report is. */
const EVENT: JsonObject = {
  id: "ses_0123456789abcdefghij",
  state: "ATTACHED",
  version: 42,
  epoch: 7,
  at: 1_700_000_000_000,
  reason: "PATH_LOST",
  path: { id: "udp", address: "192.0.2.17", port: 51_820, priority: 10 },
  candidates: [
    { id: "tcp", address: "192.0.2.17", port: 443, priority: 5 },
    { id: "udp6", address: "2001:db8::17", port: 51_820, priority: 3 },
  ],
  counters: { sent: 123_456, received: 654_321, dropped: 3 },
};

const path = {
  type: "object",
  required: ["id", "address", "port"],
  additionalProperties: false,
  properties: {
    id: { type: "string", maxLength: 64 },
    address: { type: "string", maxLength: 64 },
    port: { type: "integer", minimum: 1, maximum: 65_535 },
    priority: { type: "integer" },
  },
};
const STRICT: JsonObject = {
  type: "object",
  required: ["id", "state", "version", "epoch", "at", "reason"],
  additionalProperties: false,
  properties: {
    id: { type: "string", minLength: 1, maxLength: 64 },
    state: { enum: ["BIRTH", "ATTACHED", "VOLATILE", "DEGRADED", "RECOVERING", "TERMINATED"] },
    version: { type: "integer", minimum: 0 },
    epoch: { type: "integer", minimum: 0 },
    at: { type: "integer", minimum: 0 },
    reason: { type: "string", maxLength: 64 },
    path,
    candidates: { type: "array", maxItems: 16, items: path },
    counters: {
      type: "object",
      additionalProperties: false,
      properties: {
        sent: { type: "integer", minimum: 0 },
        received: { type: "integer", minimum: 0 },
        dropped: { type: "integer", minimum: 0 },
      },
    },
  },
};

function definition(topic: string, owner: string, schema: JsonObject): TopicDefinition {
  return {
    schema_version: "v1",
    topic,
    owner,
    description: "",
    schemas: [schema],
    partition: { count: 1 },
    quality: "at_least_once",
    retention: {},
    flow: { policy: "shed", buffer: 1_000_000 },
  };
}

const anything = { type: "object" };

/** Counts what it has heard, outside of its keys: the turn is as small as a turn can be. */
function listener(heard: { count: number }, topics: readonly string[], id: string): TestCapsule {
  const count = (): void => void heard.count++;
  return {
    manifest: manifestOf(id, { bus: { subscribes: topics } }),
    bundle: () => capsule({ events: Object.fromEntries(topics.map((topic) => [topic, count])) }),
  };
}

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-topics-"));
  try {
    const figures: Figures[] = [];
    for (const count of TOPIC_COUNTS) figures.push(await measure(directory, count));
    const [, , thousand, most] = figures as [Figures, Figures, Figures, Figures];
    return figures.flatMap((figure) => {
      const metric = `${figure.count.toLocaleString("en")} topics`;
      const cost = {
        metric: `${metric}: an event on each in turn`,
        value: figure.eventUs,
        unit: "us an event",
      };
      const target = atMost(most.eventUs, TARGET_GROWTH * thousand.eventUs, "us an event");
      return [
        figure === most ? { ...cost, target } : cost,
        { metric: `${metric}: boot`, value: figure.bootMs, unit: "ms a topic" },
        { metric: `${metric}: heap`, value: figure.heapKb, unit: "KB a topic" },
      ];
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface Figures {
  readonly count: number;
  readonly eventUs: number;
  readonly bootMs: number;
  readonly heapKb: number;
}

async function measure(directory: string, count: number): Promise<Figures> {
  const heard = { count: 0 };
  const names = Array.from({ length: count }, (_, index) => `test.t${index}.v1`);
  const capsules: TestCapsule[] = [];
  for (let from = 0; from < count; from += TOPICS_PER_CAPSULE) {
    const own = names.slice(from, from + TOPICS_PER_CAPSULE);
    capsules.push(owner(`test.p${from}`, own), listener(heard, own, `test.l${from}`));
  }
  const providers = capsules.flatMap(({ manifest }) => manifest.capabilities.provides);
  const empty = heapUsed();
  let from = process.cpuUsage();
  const ledger = await openSqliteLedgerStore({ path: join(directory, `topics-${count}.sqlite`) });
  const node = await bootTestNode({ capsules, parts: { ledger } });
  const bootMs = cpuMs(from) / count;
  // Every topic once, so that each partition has begun.
  await everyTopic(node, providers, heard, count);
  const heapKb = (heapUsed() - empty) / count / 1_024;
  from = process.cpuUsage();
  const rounds = Math.ceil(EVENTS / count);
  for (let round = 0; round < rounds; round++) await everyTopic(node, providers, heard, count);
  const eventUs = (cpuMs(from) * 1_000) / (rounds * count);
  await node.node[Symbol.asyncDispose]();
  return { count, eventUs, bootMs, heapKb };
}

function cpuMs(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1_000;
}

/** After a collection, so that what is counted is held by somebody. */
function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

function owner(id: string, own: readonly string[]): TestCapsule {
  return {
    manifest: manifestOf(id, { capabilities: { provides: [id] }, bus: { publishes: own } }),
    spec: {
      "spec/schema.json": { $defs: { [`${id}.publish.input`]: anything } },
      ...Object.fromEntries(own.map((topic) => [`spec/topics/${topic}.json`, definition(topic, id, STRICT)])),
    },
    bundle: () =>
      capsule({
        calls: {
          [`${id}.publish`]: (turn): Json => {
            for (const topic of own) turn.publish(topic, "k", EVENT);
            return null;
          },
        },
      }),
  };
}

async function everyTopic(
  { node }: TestNode,
  providers: readonly string[],
  heard: { count: number },
  count: number,
): Promise<void> {
  const until = heard.count + count;
  const answers = await Promise.all(providers.map((one) => node.call(one, "publish", {}, 60_000)));
  for (const answer of answers) if (!answer.ok) throw new Error(answer.code);
  while (heard.count < until) await new Promise((resume) => setImmediate(resume));
}
