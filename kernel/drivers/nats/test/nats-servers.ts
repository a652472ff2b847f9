/**
 * Real NATS servers for tests, crash runs, benchmarks and the demonstration: one alone or a cluster of three, on free
 * ports of this machine, with their files in a directory of their own. Every server is ended by its process id.
 *
 * `VNES_NATS_SERVER` names the binary; without it, `nats-server` from the PATH.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const BINARY: string = process.env["VNES_NATS_SERVER"] ?? "nats-server";
const HOST = "127.0.0.1";
/** A server that says nothing for so long does not start. */
const READY_TIMEOUT_MS = 15_000;
const LOOK_EVERY_MS = 20;

export interface NatsServers {
  /** `nats://127.0.0.1:port`, one a server. */
  readonly urls: readonly string[];
  readonly version: string;
  pid(index?: number): number;
  isRunning(index?: number): boolean;
  /** SIGKILL; resolves once the process is gone. */
  kill(index?: number): Promise<void>;
  /** SIGTERM; resolves once the process is gone. */
  stop(index?: number): Promise<void>;
  /** Starts it again on the same port and files; resolves once it takes connections. `extra`: in place of the options' from now on. */
  start(index?: number, extra?: string): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  freeze(index?: number): void;
  thaw(index?: number): void;
  logTail(index?: number): string;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Server {
  readonly port: number;
  readonly config: string;
  /** What its configuration file says, but for the extra lines. */
  readonly settings: readonly string[];
  readonly log: string;
  child: ChildProcess | undefined;
}

const running = new Set<ChildProcess>();
// The last resort: nothing asynchronous can happen any more.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** False where there is no nats-server; the caller says what it did not do. */
export function hasNatsServer(): boolean {
  return spawnSync(BINARY, ["--version"], { stdio: "ignore" }).status === 0;
}

export interface NatsServerOptions {
  /** 1, or 3 as a cluster. */
  readonly count?: 1 | 3;
  /** More lines of every server's configuration file. */
  readonly extra?: string;
  readonly jetstream?: boolean;
  /** How much the server keeps on files, as its configuration file says it. */
  readonly maxFile?: string;
  /** Each message is brought to the disk before it is acknowledged; servers from 2.10 on can. */
  readonly syncs?: boolean;
  /** Where the streams are kept; a directory that is made and removed when it is not said. For one server alone. */
  readonly storeDir?: string;
  /** Given the ports on which the servers of a cluster expect each other: other ones, through which they get there. */
  readonly through?: (ports: readonly number[]) => Promise<readonly number[]>;
}

export async function startNatsServers(options: NatsServerOptions = {}): Promise<NatsServers> {
  const { count = 1, extra = "", jetstream = true, maxFile = "8G", syncs = false, through } = options;
  const directory = mkdtempSync(join(tmpdir(), "vnes-nats-"));
  const ports = await freePorts(count * 2);
  const advertised = (await through?.(ports.slice(count))) ?? ports.slice(count);
  const routes = advertised.map((port) => `"nats://${HOST}:${port}"`);
  const servers = Array.from({ length: count }, (_, index): Server => {
    const store = options.storeDir ?? join(directory, `store-${index}`);
    mkdirSync(store, { recursive: true });
    const settings = [
      `server_name: n${index}`,
      `host: ${HOST}`,
      `port: ${ports[index]}`,
      ...(jetstream
        ? [
            `jetstream { store_dir: "${store}", max_mem: 256M, max_file: ${maxFile}`,
            `  ${syncs ? "sync_interval: always" : ""} }`,
          ]
        : []),
      ...(count > 1
        ? [
            `cluster { name: C, host: ${HOST}, port: ${ports[count + index]}, routes: [${routes.join(", ")}]`,
            `  advertise: "${HOST}:${advertised[index]}" }`,
          ]
        : []),
    ];
    const [config, log] = [join(directory, `n${index}.conf`), join(directory, `n${index}.log`)];
    configure({ config, settings }, extra);
    return { port: ports[index] as number, config, settings, log, child: undefined };
  });
  const at = (index = 0): Server => {
    const server = servers[index];
    if (server === undefined) throw new Error(`there is no server ${index}`);
    return server;
  };
  const logTail = (index = 0): string =>
    readFileSync(at(index).log, "utf8").split("\n").slice(-20).join("\n");
  const end = async (server: Server, signal: NodeJS.Signals): Promise<void> => {
    const { child } = server;
    server.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    // A frozen process takes SIGTERM only once it runs again.
    child.kill("SIGCONT");
    child.kill(signal);
    await gone;
  };
  const all: NatsServers = {
    urls: servers.map(({ port }) => `nats://${HOST}:${port}`),
    version: versionOf(),
    pid: (index) => at(index).child?.pid ?? -1,
    isRunning: (index) => at(index).child !== undefined,
    kill: (index) => end(at(index), "SIGKILL"),
    stop: (index) => end(at(index), "SIGTERM"),
    async start(index, extra) {
      const server = at(index);
      if (extra !== undefined) configure(server, extra);
      if (server.child === undefined) launch(server);
      await untilReady(server, () => logTail(index));
    },
    freeze: (index) => void at(index).child?.kill("SIGSTOP"),
    thaw: (index) => void at(index).child?.kill("SIGCONT"),
    logTail,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => end(server, "SIGKILL")));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    for (const server of servers) launch(server);
    await Promise.all(servers.map((server, index) => untilReady(server, () => logTail(index))));
  } catch (error) {
    await all[Symbol.asyncDispose]();
    throw error;
  }
  return all;
}

function configure({ config, settings }: Pick<Server, "config" | "settings">, extra: string): void {
  writeFileSync(config, `${[...settings, extra].join("\n")}\n`);
}

function launch(server: Server): void {
  const log = openSync(server.log, "a");
  const child = spawn(BINARY, ["-c", server.config], { stdio: ["ignore", log, log] });
  closeSync(log);
  running.add(child);
  child.once("exit", () => running.delete(child));
  child.once("error", () => running.delete(child));
  server.child = child;
}

/** Ready is a server that greets; it does so only once its streams are recovered. */
async function untilReady(server: Server, tail: () => string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await greets(server.port))) {
    if (server.child === undefined || server.child.exitCode !== null)
      throw new Error(`nats-server ended\n${tail()}`);
    if (performance.now() > deadline) throw new Error(`nats-server is not ready\n${tail()}`);
    await sleep(LOOK_EVERY_MS);
  }
}

async function greets(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connectTcp({ host: HOST, port, timeout: 1_000 });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", (data) => done(data.toString("latin1").startsWith("INFO")));
    socket.once("error", () => done(false));
    socket.once("timeout", () => done(false));
    socket.once("close", () => resolve(false));
  });
}

/** Asked for together, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const open = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, HOST);
      await once(server, "listening");
      return server;
    }),
  );
  const ports = open.map((server) => (server.address() as { readonly port: number }).port);
  await Promise.all(open.map(async (server) => await new Promise((done) => server.close(done))));
  return ports;
}

function versionOf(): string {
  const said = spawnSync(BINARY, ["--version"], { encoding: "utf8" }).stdout;
  return /v(\d\S*)/.exec(said)?.[1] ?? "unknown";
}
