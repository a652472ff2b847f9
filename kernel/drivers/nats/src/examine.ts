/** What can be known of servers before and while a ledger is kept on them; changes nothing on them. */
import { AckPolicy, DeliverPolicy, jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { createInbox, nanos } from "@nats-io/transport-node";
import { busErrors } from "./bus-errors.ts";
import type { Bus } from "./connection.ts";
import { API_TIMEOUT_MS } from "./server-link.ts";

const PROBE_LIFE_MS = 1_000;
/** A copy that is further behind than this is catching up. */
const MAX_LAG = 1_000;

export interface JetStreamPromise {
  readonly server: string;
  readonly version: string;
  readonly cluster: string | undefined;
  readonly maxPayload: number;
  /** Ledger and chunk streams of the namespace that are there. */
  readonly streams: number;
  /** The numbers of copies among them, ascending. */
  readonly replicas: readonly number[];
  /** Names of streams with a copy that is away or behind. */
  readonly missing: readonly string[];
  /** The server's clock minus this machine's, about; undefined while there is no stream to ask by. */
  readonly clockDifferenceMs: number | undefined;
}

/** Rejects with `BUS_NO_JETSTREAM` or `BUS_STREAM_UNAVAILABLE`. */
export async function examineServer(bus: Bus, namespace: string): Promise<JetStreamPromise> {
  const { connection } = bus;
  const server = connection.getServer();
  const { info } = connection;
  if (info?.jetstream !== true)
    throw busErrors.create("BUS_NO_JETSTREAM", { server, problem: "JetStream is switched off" });
  const found: StreamInfo[] = [];
  let clockDifferenceMs: number | undefined;
  try {
    const jsm = await jetstreamManager(connection, { timeout: API_TIMEOUT_MS });
    for await (const stream of jsm.streams.list(`vnes.${namespace}.>`)) found.push(stream);
    const [first] = found;
    if (first !== undefined) clockDifferenceMs = await clockDifference(bus, first.config.name);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw busErrors.create("BUS_STREAM_UNAVAILABLE", { stream: `VNES_${namespace}_LEDGER`, problem }, error);
  }
  const replicas = new Set(found.map(({ config }) => config.num_replicas));
  const missing = found.filter(({ cluster }) =>
    cluster?.replicas?.some(
      ({ current, offline, lag }) => offline === true || !current || (lag ?? 0) > MAX_LAG,
    ),
  );
  return {
    server,
    version: info.version,
    cluster: info.cluster,
    maxPayload: info.max_payload,
    streams: found.length,
    replicas: [...replicas].sort((a, b) => a - b),
    missing: missing.map(({ config }) => config.name),
    clockDifferenceMs,
  };
}

/** A consumer says when it was made; half of the way there and back is not counted. */
async function clockDifference(bus: Bus, stream: string): Promise<number> {
  const jsm = await jetstreamManager(bus.connection, { timeout: API_TIMEOUT_MS });
  const asked = Date.now();
  const { name, created } = await jsm.consumers.add(stream, {
    deliver_subject: createInbox(),
    deliver_policy: DeliverPolicy.New,
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(PROBE_LIFE_MS),
    mem_storage: true,
    num_replicas: 1,
  });
  const answered = Date.now();
  await jsm.consumers.delete(stream, name);
  return Math.round(Date.parse(created) - (asked + answered) / 2);
}
