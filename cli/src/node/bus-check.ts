/** What the NATS servers of a node promise and what they do not, as far as a client can know. For `vnes doctor`. */
import type { JetStreamPromise } from "@vnes/driver-nats";
import type { BusConfig } from "@vnes/schemas";
import { DEFAULT_NAMESPACE } from "./open-ledger.ts";

export interface BusFinding {
  readonly check: string;
  readonly state: "ok" | "failed" | "note";
  readonly found: string;
  readonly next: string;
}

/** Clocks that differ by more make a takeover early or late; the margin of the lease is 3 s. */
const MAX_CLOCK_DIFFERENCE_MS = 1_000;
/** A record goes in parts of 256 KiB; less makes more of them. */
const ADVISED_PAYLOAD_BYTES: number = 512 * 1024;

/** Rejects with a `BUS_` code when no server can be used. */
export async function checkBus(config: BusConfig, node: string): Promise<readonly BusFinding[]> {
  const { examineServer, openBus } = await import("@vnes/driver-nats");
  await using bus = await openBus({ ...config, node });
  const promise = await examineServer(bus, config.namespace ?? DEFAULT_NAMESPACE);
  return [
    server(promise),
    storage(promise, config.replicas),
    durability(promise),
    ROOM,
    payload(promise),
    clock(promise),
  ];
}

function server({ version, server: at, cluster }: JetStreamPromise): BusFinding {
  const where = cluster === undefined ? "alone" : `in cluster ${cluster}`;
  return { check: "bus", state: "ok", found: `nats-server ${version} at ${at}, ${where}`, next: "" };
}

/** `wanted`: copies that the configuration asks for. A stream keeps the number it was made with. */
function storage(
  { streams, replicas, cluster, missing }: JetStreamPromise,
  wanted: number | undefined,
): BusFinding {
  const check = "bus streams";
  if (streams === 0) {
    const found = "none yet; made at the first boot";
    if (wanted === undefined || wanted === 1 || cluster !== undefined)
      return { check, state: "note", found, next: "" };
    return {
      check,
      state: "failed",
      found: `${found}, which needs a cluster for ${wanted} copies of each (bus.replicas)`,
      next: "start more servers in one cluster, or set bus.replicas to 1",
    };
  }
  const copies = replicas.join(" or ");
  const found = `${streams} on files, ${copies} ${copies === "1" ? "copy" : "copies"} of each`;
  if (missing.length > 0) {
    const [first = ""] = missing;
    return {
      check,
      state: "failed",
      found: `${found}; copies of ${missing.length} are behind or away, such as ${first}`,
      next: "see that all servers of the cluster run: nats server report jetstream",
    };
  }
  if (wanted !== undefined && replicas.some((count) => count < wanted)) {
    return {
      check,
      state: "failed",
      found: `${found}, not ${wanted} (bus.replicas): they keep what they were made with`,
      next: `${inCluster(cluster)}each of nats stream ls: nats stream edit NAME --replicas ${wanted}`,
    };
  }
  const isThin = cluster !== undefined && replicas.some((count) => count < 3);
  return isThin
    ? {
        check,
        state: "note",
        found: `${found}: a server that is lost takes records along`,
        next: "each of nats stream ls: nats stream edit NAME --replicas 3",
      }
    : { check, state: "ok", found, next: "" };
}

function inCluster(cluster: string | undefined): string {
  return cluster === undefined ? "make the server one of a cluster, then for " : "";
}

/** Neither the server's limit nor its disk can be seen by a client. */
const ROOM: BusFinding = {
  check: "bus room",
  state: "note",
  found:
    "at its own limit the server refuses and the node waits; on a file system that is full it hangs until it is restarted",
  next: "set jetstream { max_file } on every server to less than its disk has",
};

/** JetStream acknowledges before fsync, and a client cannot see how often a server syncs. */
function durability({ replicas }: JetStreamPromise): BusFinding {
  const many = replicas.length > 0 && replicas.every((count) => count >= 3);
  const found = many
    ? "what is confirmed survives the end of any server process and the loss of one server; a power cut of all at once only with sync_interval: always"
    : "what is confirmed survives the end of the server process; a power cut only with sync_interval: always, which a client cannot see";
  return {
    check: "bus durability",
    state: "note",
    found,
    next: "set jetstream { sync_interval: always } on every server",
  };
}

function payload({ maxPayload }: JetStreamPromise): BusFinding {
  const check = "bus message size";
  return maxPayload >= ADVISED_PAYLOAD_BYTES
    ? { check, state: "ok", found: `${maxPayload} bytes; larger batches go in parts`, next: "" }
    : {
        check,
        state: "note",
        found: `${maxPayload} bytes: many parts`,
        next: "set max_payload: 1MB on every server",
      };
}

function clock({ clockDifferenceMs }: JetStreamPromise): BusFinding {
  const check = "bus clock";
  if (clockDifferenceMs === undefined)
    return {
      check,
      state: "note",
      found: "the server does not tell its time until there is a stream",
      next: "",
    };
  const found = `${Math.abs(clockDifferenceMs)} ms ${clockDifferenceMs < 0 ? "behind" : "ahead of"} this machine`;
  return Math.abs(clockDifferenceMs) <= MAX_CLOCK_DIFFERENCE_MS
    ? { check, state: "ok", found, next: "" }
    : { check, state: "failed", found, next: "let both machines keep time by the same source (NTP)" };
}
