/** The streams of a namespace: what they are called, how they are made, and what a server that refuses means. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { isVnesError, type VnesError } from "@vnes/schemas";
import { busErrors } from "./bus-errors.ts";
import type { MessageKind } from "./control-message.ts";

/** A message sent again within this time is known to be the same; longer than any outage an append waits through. */
const DUPLICATE_WINDOW_MS: number = 2 * 60_000;
/** For a cluster that is being started or elects a leader: 8.5 s were measured. */
const AVAILABLE_TIMEOUT_MS = 15_000;
const RETRY_EVERY_MS = 200;
/** In a cluster of three, two copies are a majority. */
const CLUSTER_REPLICAS = 3;

/** Codes of the JetStream API, github.com/nats-io/nats-server/server/errors.json. */
const STREAM_NOT_FOUND = 10059;
const NOT_ENABLED = 10076;
const NOT_ENABLED_FOR_ACCOUNT = 10039;
const REPLICAS_NOT_SUPPORTED = 10074;
/** Also said while the servers of a cluster do not all know each other yet. */
const NO_SUITABLE_PEERS = 10005;
const INSUFFICIENT_RESOURCES = 10023;
const NO_SPACE = 10047;
const MAXIMUM_BYTES = 10077;

const STREAM_FORMAT = "vnes ledger format 1";
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export function assertNamespace(namespace: string): void {
  if (!NAMESPACE.test(namespace))
    throw busErrors.create("BUS_STREAM_WRONG", {
      stream: `VNES_${namespace}`,
      problem: "a namespace has 1 to 32 lower case letters, digits and dashes",
    });
}

function ledgerStream(namespace: string, group: string): string {
  return `VNES_${namespace}_LEDGER_${group}`;
}

export function chunkStream(namespace: string): string {
  return `VNES_${namespace}_CHUNKS`;
}

export function ledgerSubject(
  namespace: string,
  group: string,
  kind: MessageKind | ">",
  boot?: string,
): string {
  // A beat replaces the beats before it. Those of others stay: a message that others can make vanish proves nothing.
  const tail = kind === "beat" ? `.${boot ?? ""}` : "";
  return `vnes.${namespace}.ledger.${group}.${kind}${tail}`;
}

export function chunkSubject(namespace: string, rest: string): string {
  return `vnes.${namespace}.chunk.${rest}`;
}

export function ledgerConfig(namespace: string, group: string, replicas: number): StreamDefinition {
  return {
    ...durable(replicas),
    name: ledgerStream(namespace, group),
    description: `${STREAM_FORMAT}, group ${group}`,
    subjects: [ledgerSubject(namespace, group, ">")],
    allow_rollup_hdrs: true,
    deny_delete: true,
  };
}

/** `groups`: how many shards are shared among; with another number they would not be found. */
export function chunkConfig(namespace: string, replicas: number, groups: number): StreamDefinition {
  return {
    ...durable(replicas),
    name: chunkStream(namespace),
    description: `${STREAM_FORMAT}, ${groups} groups, chunks of snapshots`,
    subjects: [chunkSubject(namespace, ">")],
    max_msgs_per_subject: 1,
  };
}

export type StreamDefinition = Partial<StreamConfig> & { readonly name: string };

function durable(replicas: number): Partial<StreamConfig> {
  return {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    num_replicas: replicas,
    allow_direct: true,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  };
}

/** As many copies as a cluster of three gives, one where there is no cluster. */
export function defaultReplicas(isCluster: boolean): number {
  return isCluster ? CLUSTER_REPLICAS : 1;
}

/**
 * Finds the stream or makes it. A stream that is there keeps its number of copies; whoever changes it does so knowingly.
 * Rejects with `BUS_NO_JETSTREAM`, `BUS_STREAM_WRONG`, `BUS_REPLICAS_IMPOSSIBLE` or, after 15 s, `BUS_STREAM_UNAVAILABLE`.
 */
export async function ensureStream(
  jsm: JetStreamManager,
  server: string,
  wanted: StreamDefinition,
): Promise<StreamInfo> {
  const info = await untilAnswered(server, wanted, async () => {
    try {
      return await jsm.streams.info(wanted.name);
    } catch (error) {
      if (apiCode(error) !== STREAM_NOT_FOUND) throw error;
      return await jsm.streams.add(wanted);
    }
  });
  assertStream(info.config, wanted);
  return info;
}

/** A server that does not answer and a leader that is not elected look alike, and both may pass. */
async function untilAnswered<T>(server: string, wanted: StreamDefinition, ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + AVAILABLE_TIMEOUT_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const failure = streamFailure(server, wanted, error);
      if (!isPassing(error) || performance.now() > deadline) throw failure;
    }
    await sleep(RETRY_EVERY_MS);
  }
}

function isPassing(error: unknown): boolean {
  const code = apiCode(error);
  if (code === undefined) return true;
  return code === NO_SUITABLE_PEERS || code === INSUFFICIENT_RESOURCES || apiStatus(error) === 503;
}

function streamFailure(
  server: string,
  { name: stream, num_replicas: replicas }: StreamDefinition,
  error: unknown,
): VnesError {
  if (isVnesError(error)) return error;
  const problem = error instanceof Error ? error.message : String(error);
  switch (apiCode(error)) {
    case NOT_ENABLED:
    case NOT_ENABLED_FOR_ACCOUNT:
      return busErrors.create("BUS_NO_JETSTREAM", { server, problem }, error);
    case REPLICAS_NOT_SUPPORTED:
    case NO_SUITABLE_PEERS:
    case INSUFFICIENT_RESOURCES:
      return busErrors.create("BUS_REPLICAS_IMPOSSIBLE", { stream, replicas, problem }, error);
    case undefined:
      return busErrors.create("BUS_STREAM_UNAVAILABLE", { stream, problem }, error);
    default:
      return apiStatus(error) === 503
        ? busErrors.create("BUS_STREAM_UNAVAILABLE", { stream, problem }, error)
        : busErrors.create("BUS_STREAM_WRONG", { stream, problem }, error);
  }
}

/** Settings that the rules of the ledger rest on; a stream without them would lose records without a word. */
function assertStream(is: StreamConfig, wanted: StreamDefinition): void {
  const wrong = (problem: string): VnesError =>
    busErrors.create("BUS_STREAM_WRONG", { stream: wanted.name, problem });
  if (is.description !== wanted.description)
    throw wrong(`it says "${is.description ?? ""}" of itself, not "${wanted.description ?? ""}"`);
  if (is.storage !== StorageType.File) throw wrong("it is kept in memory");
  if (is.retention !== RetentionPolicy.Limits) throw wrong(`its retention is ${is.retention}`);
  if (is.max_msgs > 0 || is.max_bytes > 0 || is.max_age > 0)
    throw wrong("it drops messages when there are many");
  if (is.subjects?.join() !== wanted.subjects?.join())
    throw wrong(`it takes ${is.subjects?.join() ?? "nothing"}`);
}

/** True for a server that has no room, by the code of its refusal. */
export function isSpaceCode(code: number | undefined): boolean {
  return code === NO_SPACE || code === INSUFFICIENT_RESOURCES || code === MAXIMUM_BYTES;
}

export function apiCode(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

function apiStatus(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.status : undefined;
}
