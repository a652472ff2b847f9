/** The other node of the messenger's benchmark, in a process of its own: answers and counts, ours and beside. */
import { connect } from "@nats-io/transport-node";
import { natsMessenger, openBus } from "@vnes/driver-nats";
import { cryptoRandom } from "../../cli/src/node/crypto-random.ts";
import { SystemClock } from "../../cli/src/node/system-clock.ts";
import { PAGE_SERVICE } from "../../kernel/src/cluster/event-page.ts";
import { PartitionPages } from "../../kernel/src/cluster/partition-pages.ts";
import type { PartitionEvent, PartitionReader } from "../../kernel/src/runtime/topics/partition-reader.ts";
import { requirePeer } from "./peers.ts";

export const PAGED_EVENTS = 100_000;

/** A partition whose events are in its owner's window. */
function partitionOf(count: number): PartitionReader {
  const events = Array.from({ length: count }, (_, index): PartitionEvent => {
    return {
      seq: index + 1,
      key: `k${index}`,
      event: { p: "a".repeat(256) },
      hash: "0".repeat(64),
      size: 256,
    };
  });
  return {
    shard: "topic/bench.v1/0",
    topic: "bench.v1",
    index: 0,
    lastSeq: count,
    onEvents: () => undefined,
    peek: (from, limit) => events.slice(from - 1, from - 1 + limit),
    fetch: async () => [],
  };
}

/** As much of Moleculer as is used here. */
export interface Moleculer {
  ServiceBroker: new (
    options: object,
  ) => {
    createService(service: object): unknown;
    start(): Promise<void>;
    stop(): Promise<void>;
    waitForServices(name: string): Promise<unknown>;
    call(action: string, params: unknown): Promise<unknown>;
  };
}

export function brokerOptions(nodeID: string, url: string): object {
  const quiet = { logger: false, metrics: false, tracing: false };
  return { nodeID, transporter: { type: "NATS", options: { servers: [url] } }, ...quiet };
}

const [, file, url] = process.argv;
if (file === import.meta.filename && url !== undefined) await serve(url);

async function serve(server: string): Promise<void> {
  const bus = await openBus({ servers: [server], node: "echo", noEcho: true });
  const clock = new SystemClock();
  const messenger = natsMessenger({ bus, namespace: "bench", node: "echo", clock, random: cryptoRandom });
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  messenger.serve("echo", (payload) => encoder.encode(JSON.stringify(JSON.parse(decoder.decode(payload)))));
  let heard = 0;
  let wanted = Number.POSITIVE_INFINITY;
  const hear = (): void => {
    if (++heard === wanted) process.send?.("heard");
  };
  messenger.subscribe("events", hear);
  const partition = partitionOf(PAGED_EVENTS);
  const pages = new PartitionPages(clock, () => partition);
  messenger.serve(PAGE_SERVICE, (bytes) => pages.answer(bytes));
  const bare = await connect({ servers: server });
  bare.subscribe("bench.bare", { callback: hear });
  bare.subscribe("bench.request", {
    callback: (_, message) => void message.respond(JSON.stringify(message.json())),
  });
  const { ServiceBroker } = requirePeer("moleculer") as Moleculer;
  const broker = new ServiceBroker(brokerOptions("echo", server));
  broker.createService({ name: "echo", actions: { ping: (ctx: { params: unknown }) => ctx.params } });
  await broker.start();
  await Promise.all([messenger.flush(), bare.flush()]);
  process.on("message", (message: { readonly count: number }) => {
    heard = 0;
    wanted = message.count;
    process.send?.("ready");
  });
  process.on("disconnect", () => process.exit(0));
  process.send?.("up");
}
