/**
 * The connection of a node to its NATS servers: opened once, shared by the ledger store and the messenger, closed by who
 * opened it. It reconnects for ever; what was in flight when it broke is the business of those who sent it.
 */
import {
  AuthorizationError,
  connect,
  type NatsConnection,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { isVnesError, type VnesError } from "@vnes/schemas";
import { busErrors } from "./bus-errors.ts";
import { readSecret, type SecretFiles } from "./bus-secret.ts";
import { LEAST_PAYLOAD_BYTES } from "./message-size.ts";

/** Debian 12's; everything used here is in it. */
export const OLDEST_SERVER = "2.9.10";
/** Two unanswered pings end a connection, so a server that hangs is left after 4 to 6 s. */
const PING_MS = 2_000;
const MAX_PINGS_OUT = 2;
const CONNECT_TIMEOUT_MS = 3_000;
/** A server that restarts is back within a second; several clients should not come in the same millisecond. */
const RECONNECT_WAIT_MS = 100;
const RECONNECT_JITTER_MS = 100;

/** Where the servers are and who the node is to them. */
export interface BusOptions extends SecretFiles {
  /** `nats://host:port` or `tls://host:port`; without user and password. */
  readonly servers: readonly string[];
  /** Name of this node as the servers show it. */
  readonly node: string;
  /** Does not hear what it published itself: for a messenger, never for a ledger, which reads itself back. */
  readonly noEcho?: boolean;
}

export interface Bus {
  readonly connection: NatsConnection;
  readonly servers: readonly string[];
  readonly isConnected: boolean;
  /** Called after every reconnection; the returned function ends it. */
  onReconnect(listener: () => void): () => void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Rejects with `BUS_ADDRESS_INVALID`, `BUS_SECRET_UNUSABLE`, `BUS_UNREACHABLE`, `BUS_REFUSED`, `BUS_TOO_OLD` or `BUS_PAYLOAD_TOO_SMALL`. */
export async function openBus(options: BusOptions): Promise<Bus> {
  const servers = options.servers.map(parseAddress);
  const shown = servers.join(",");
  const authenticator = readSecret(options);
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers,
      name: `vnes ${options.node}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_JITTER_MS,
      pingInterval: PING_MS,
      maxPingOut: MAX_PINGS_OUT,
      timeout: CONNECT_TIMEOUT_MS,
      noEcho: options.noEcho ?? false,
      ...(authenticator === undefined ? {} : { authenticator }),
      ...(servers.some((address) => address.startsWith("tls:")) ? { tls: {} } : {}),
    });
  } catch (error) {
    throw connectFailure(shown, error);
  }
  const version = connection.info?.version ?? "unknown";
  if (!isVersionAtLeast(version, OLDEST_SERVER)) {
    await connection.close();
    throw busErrors.create("BUS_TOO_OLD", { server: connection.getServer(), version, oldest: OLDEST_SERVER });
  }
  const bytes = connection.info?.max_payload ?? LEAST_PAYLOAD_BYTES;
  if (bytes < LEAST_PAYLOAD_BYTES) {
    await connection.close();
    throw busErrors.create("BUS_PAYLOAD_TOO_SMALL", {
      server: connection.getServer(),
      bytes,
      least: LEAST_PAYLOAD_BYTES,
    });
  }
  return new OpenBus(connection, servers);
}

class OpenBus implements Bus {
  readonly connection: NatsConnection;
  readonly servers: readonly string[];
  readonly #listeners = new Set<() => void>();
  #isConnected = true;

  constructor(connection: NatsConnection, servers: readonly string[]) {
    this.connection = connection;
    this.servers = servers;
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.connection.isClosed();
  }

  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    await this.connection.close();
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "disconnect" || status.type === "staleConnection") this.#isConnected = false;
      if (status.type !== "reconnect") continue;
      this.#isConnected = true;
      for (const listener of this.#listeners) listener();
    }
  }
}

/** Dotted numbers; what follows a dash (`2.12.0-beta.1`) does not count. */
export function isVersionAtLeast(version: string, oldest: string): boolean {
  const numbers = (text: string): number[] => (text.split("-")[0] ?? "").split(".").map(Number);
  const [ours, theirs] = [numbers(version), numbers(oldest)];
  for (let index = 0; index < theirs.length; index++) {
    const difference = (ours[index] ?? 0) - (theirs[index] ?? 0);
    if (Number.isNaN(difference)) return false;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** One address in its plain form; throws `BUS_ADDRESS_INVALID`, without repeating a password. */
export function parseAddress(address: string): string {
  const bad = (shown: string, problem: string): VnesError =>
    busErrors.create("BUS_ADDRESS_INVALID", { address: shown, problem });
  const text = address.includes("://") ? address : `nats://${address}`;
  if (!URL.canParse(text)) throw bad(address.replace(/\/\/[^@]*@/, "//"), "it cannot be read");
  const url = new URL(text);
  const shown = `${url.protocol}//${url.host}`;
  if (url.username !== "" || url.password !== "") throw bad(shown, "it carries credentials");
  if (url.protocol !== "nats:" && url.protocol !== "tls:") throw bad(shown, "it is neither nats: nor tls:");
  if (url.hostname === "") throw bad(shown, "it names no host");
  if (url.pathname !== "" && url.pathname !== "/") throw bad(shown, "it has a path");
  return url.port === "" ? `${shown}:4222` : shown;
}

function connectFailure(servers: string, error: unknown): VnesError {
  if (isVnesError(error)) return error;
  const problem = error instanceof Error ? error.message : String(error);
  const isRefusal =
    error instanceof AuthorizationError ||
    error instanceof UserAuthenticationExpiredError ||
    /authori[sz]ation/i.test(problem);
  return busErrors.create(isRefusal ? "BUS_REFUSED" : "BUS_UNREACHABLE", { servers, problem }, error);
}
