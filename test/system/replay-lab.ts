/** Histories for replay tests: a real node with real isolates, asked in an order that a seed decides. */
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { LedgerMemory, MemoryClock, MemoryImageArchive, MemoryLedgerStore } from "@vnes/driver-memory";
import {
  type CapsuleImage,
  imageFile,
  type LedgerStore,
  type Node,
  type NodeParts,
  type ReplayParts,
  type Sandbox,
} from "@vnes/kernel";
import type { Manifest } from "@vnes/schemas";
import { LIMITS } from "../../kernel/contracts/sandbox-lab.ts";
import { bundleSource } from "../../kernel/drivers/isolate/test/bundle.ts";
import { bootTestNode, imageOf, manifestOf, receiptFor } from "../../kernel/test/harness/node-harness.ts";
import { digest } from "../../kernel/test/harness/shard-harness.ts";

export const SHARD = "test.ledger/0";
/** A second capsule that hears of what the first does: its inputs are events, by reference. */
export const MIRROR = "test.mirror/0";
const TOPIC = "test.moved.v1";

const MANIFEST = manifestOf("test.ledger", {
  capabilities: { provides: ["test.ledger"] },
  state: { owns: ["n/", "log/"] },
  bus: { publishes: [TOPIC] },
});

const MIRROR_MANIFEST = manifestOf("test.mirror", {
  capabilities: { provides: [] },
  state: { owns: ["seen/", "log/"] },
  bus: { subscribes: [TOPIC] },
});

const SPEC = {
  "spec/schema.json": {
    $defs: Object.fromEntries(
      ["add", "sum", "later", "fail"].map((method) => [
        `test.ledger.${method}.input`,
        { type: "object", properties: { key: { type: "string" }, by: { type: "integer" } } },
      ]),
    ),
  },
  [`spec/topics/${TOPIC}.json`]: {
    schema_version: "v1",
    topic: TOPIC,
    description: "what was moved",
    schemas: [{ type: "object", required: ["key"], properties: { key: { type: "string" } } }],
    owner: "test.ledger",
    partition: { count: 1 },
    quality: "exactly_once",
    retention: {},
    flow: { policy: "block", buffer: 64 },
  },
};

/** What decides is written out, so that a test can change one constant of it. */
export const STEP = "const STEP = 3;";

export const SOURCE = `
import { capsule } from "@vnes/sdk";
${STEP}
let calls = 0; // a cache by rule; nothing may depend on it
export default capsule({
  start: (turn, config, resumed) => turn.keys.set("log/start", { at: turn.at, resumed }),
  calls: {
    "test.ledger.add": (turn, { key, by }) => {
      calls++;
      const now = (turn.keys.get("n/" + key) ?? 0) + by * (by > 7 ? STEP : 1);
      turn.keys.set("n/" + key, now);
      turn.publish("${TOPIC}", key, { key, now, luck: turn.random(), id: turn.id("mov") });
      return now;
    },
    "test.ledger.sum": (turn, { key }) => {
      let sum = 0;
      for (const [, value] of turn.keys.entries("n/" + key)) sum += value;
      turn.keys.set("log/sum", { sum, date: new Date().toISOString(), luck: Math.random() });
      return sum;
    },
    "test.ledger.later": (turn, { key }) => {
      turn.setTimer("wake:" + key, turn.at + 10, { key });
      return null;
    },
    "test.ledger.fail": (turn, { key }) => {
      turn.keys.set("n/" + key, -1);
      throw new Error("no " + key + " today");
    },
  },
  timers: { wake: (turn, { key }) => turn.keys.delete("n/" + key) },
  events: {
    "${TOPIC}": (turn, event) => turn.keys.set("seen/" + event.key, (turn.keys.get("seen/" + event.key) ?? 0) + 1),
  },
});
`;

export async function imageFrom(source: string): Promise<CapsuleImage> {
  return signed(MANIFEST, { "impl/main.js": await bundleSource(source), ...SPEC });
}

function signed(manifest: Manifest, more: { readonly [path: string]: unknown }): CapsuleImage {
  const files = { "manifest.json": manifest, ...more };
  return imageOf({ ...files, "receipt.stunir.json": receiptFor(manifest, imageOf(files)) });
}

function mirrorOf(image: CapsuleImage): CapsuleImage {
  const bundle = imageFile(image, "impl/main.js")?.bytes;
  return signed(MIRROR_MANIFEST, { "impl/main.js": new TextDecoder().decode(bundle) });
}

export interface History {
  readonly ledger: LedgerStore;
  readonly archive: MemoryImageArchive;
  readonly last: number;
}

export interface Lab {
  readonly node: Node;
  readonly memory: LedgerMemory;
  readonly archive: MemoryImageArchive;
  readonly clock: MemoryClock;
  readonly settle: () => Promise<void>;
}

/** A node with the capsule and its mirror, both active. */
export async function bootLab(
  image: CapsuleImage,
  sandbox: Sandbox,
  more: Partial<NodeParts> = {},
): Promise<Lab> {
  const [memory, archive, clock] = [new LedgerMemory(), new MemoryImageArchive(), new MemoryClock()];
  const { node, settle } = await bootTestNode({
    capsules: [],
    images: [image, mirrorOf(image)],
    memory,
    clock,
    // The node would end it.
    parts: { sandbox: kept(sandbox), archive, ...more },
  });
  const { capsules, problems } = await node.status();
  if (capsules[0]?.state !== "active")
    throw new Error(JSON.stringify({ capsules, problems, refused: await node.quarantined() }));
  return { node, memory, archive, clock, settle };
}

/** Asks `asks` times in an order the seed decides. */
export async function ask({ node, clock, settle }: Lab, seed: number, asks: number): Promise<void> {
  let state = seed * 2_654_435_761;
  const pick = (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) | 0;
    return (state >>> 0) % below;
  };
  for (let count = 0; count < asks; count++) {
    const key = "abcd"[pick(4)] as string;
    const method = ["add", "add", "add", "sum", "later", "fail"][pick(6)] as string;
    const answer = await node.call("test.ledger", method, { key, by: pick(10) }, 5_000);
    if (!answer.ok && method !== "fail") throw new Error(`${answer.code}: ${answer.message}`);
    if (pick(5) === 0) clock.advance(pick(20));
  }
  await settle();
}

/** A history of a node that has ended. */
export async function record(
  image: CapsuleImage,
  seed: number,
  asks: number,
  sandbox: Sandbox,
): Promise<History> {
  const lab = await bootLab(image, sandbox);
  await ask(lab, seed, asks);
  await lab.node[Symbol.asyncDispose]();
  const ledger = new MemoryLedgerStore(lab.memory);
  return { ledger, archive: lab.archive, last: await ledger.lastSeq(SHARD) };
}

export function replayParts({ ledger, archive }: History, sandbox: Sandbox, shard = SHARD): ReplayParts {
  return {
    ledger,
    sandbox,
    digest,
    shard,
    imageOf: async (hash) => {
      const image = await archive.get(hash);
      if (image === undefined) throw new Error(`${hash} was not kept`);
      return image;
    },
    specOf: () => ({
      language: "javascript",
      entry: "impl/main.js",
      zone: "system",
      limits: { ...LIMITS, turnMs: 2_000 },
    }),
  };
}

/** A sandbox whose host stays: starting a process for each of many replays is not what is looked at. */
export async function openLastingSandbox(image: CapsuleImage): Promise<Sandbox> {
  const sandbox = openHostSandbox(isolateExecutor);
  const limits = { ...LIMITS, turnMs: 2_000 };
  const spec = { image, language: "javascript", entry: "impl/main.js", zone: "system", limits } as const;
  for (const shard of [SHARD, MIRROR])
    await sandbox.open({ ...spec, instance: "test.keeper/0", group: `replay/${shard}` });
  return sandbox;
}

function kept(sandbox: Sandbox): Sandbox {
  return { open: (spec) => sandbox.open(spec), [Symbol.asyncDispose]: async () => {} };
}
