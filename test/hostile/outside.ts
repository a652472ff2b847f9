/**
 * What lies outside of every sandbox and must stay out of reach: a secret in a file, in the environment and in an open descriptor,
 * listeners on loopback and on unix sockets, a folder that may be written to, this process with its signals and its prototypes.
 */
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a value that crosses could pollute. */
const PROTOTYPES = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  Error.prototype,
  Promise.prototype,
];
/** SIGTERM is for whoever started the run. */
const SIGNALS = ["SIGHUP", "SIGUSR2", "SIGWINCH", "SIGCONT"] as const;

export interface Outside {
  readonly secret: string;
  readonly folder: string;
  readonly secretFile: string;
  readonly port: number;
  readonly socketPath: string;
  /** Of an abstract unix socket, without its leading NUL. */
  readonly abstractName: string;
  readonly pid: number;
  /** What has been read, written, reached, signalled or polluted so far; empty is good. */
  touched(): readonly string[];
  close(): Promise<void>;
}

export async function openOutside(): Promise<Outside> {
  const folder = mkdtempSync(join(tmpdir(), "vnes-outside-"));
  const secret = `secret-${process.pid}-${process.hrtime.bigint()}`;
  const secretFile = join(folder, "secret.txt");
  writeFileSync(secretFile, secret, { mode: 0o644 });
  process.env["VNES_OUTSIDE_SECRET"] = secret;
  // Left open for as long as this process lives, as whoever starts a node may have left one.
  openSync(secretFile, "r");
  const members = memberCount();
  const touched: string[] = [];
  const servers: Server[] = [];
  const listen = (where: Parameters<Server["listen"]>[0], what: string): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        touched.push(what);
        socket.destroy();
      });
      server.on("error", reject);
      server.listen(where, () => resolve(server));
      servers.push(server);
    });
  const tcp = await listen({ host: "127.0.0.1", port: 0 }, "a listener on loopback");
  const socketPath = join(folder, "node.sock");
  await listen({ path: socketPath }, "a unix socket");
  const abstractName = `vnes-outside-${process.pid}`;
  await listen({ path: `\0${abstractName}` }, "an abstract unix socket");
  const onSignal = (signal: string): void => void touched.push(`this process, with ${signal}`);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    secret,
    folder,
    secretFile,
    port: (tcp.address() as { readonly port: number }).port,
    socketPath,
    abstractName,
    pid: process.pid,
    touched: () => {
      const files = readdirSync(folder).filter((name) => name !== "secret.txt" && name !== "node.sock");
      const changed = readFileSync(secretFile, "utf8") === secret ? [] : ["the secret file"];
      const polluted = memberCount() === members ? [] : ["the prototypes of this process"];
      return [...touched, ...changed, ...polluted, ...files.map((name) => `a new file ${name}`)];
    },
    async close() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      delete process.env["VNES_OUTSIDE_SECRET"];
      await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function memberCount(): number {
  return PROTOTYPES.flatMap((one: object) => Reflect.ownKeys(one)).length;
}
