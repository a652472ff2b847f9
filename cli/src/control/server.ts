/**
 * The control socket of a running node: a unix socket that only its user can open, one JSON request a line, answered as
 * each is done. It owns connections and their bounds; what a method does is `methods.ts`.
 *
 * 1. Whoever calls `openControlServer` holds the node's ledger: a socket file nobody answers at is left from a killed
 *    node and is replaced; one that answers belongs to a live node, and the server does not open.
 * 2. A client that does not read, sends too much or sends garbage costs bounded memory and nobody else's answer.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import {
  checkControlParams,
  checkControlRequest,
  checkControlResult,
  type ControlId,
  type ControlRequest,
  isControlMethod,
  type Json,
} from "@vnes/schemas";
import { cliErrors } from "../errors.ts";
import { MAX_CLIENTS, MAX_IN_FLIGHT, MAX_REQUEST_BYTES, MAX_UNSENT_BYTES } from "./bounds.ts";
import { toFailure } from "./failure.ts";
import { LineReader } from "./lines.ts";
import { answer, type ControlledNode } from "./methods.ts";
import { assertSocketPath, isLive } from "./socket-path.ts";

/** For the last answer on its way to a client that has to go. */
const LAST_ANSWER_MS = 500;

export interface ControlServer {
  readonly path: string;
  /** Stops listening, lets answers that are on their way out go, and removes the socket file. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Rejects with `NODE_ALREADY_RUNNING`, `CONTROL_PATH_TOO_LONG` or `CONTROL_REFUSED`. */
export async function openControlServer(path: string, node: ControlledNode): Promise<ControlServer> {
  assertSocketPath(path);
  if (await isLive(path)) throw cliErrors.create("NODE_ALREADY_RUNNING", { path });
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const refused = new Set<Socket>();
  const server = createServer({ pauseOnConnect: false }, (socket) => {
    socket.on("error", () => socket.destroy());
    if (sockets.size >= MAX_CLIENTS) {
      const error = toFailure(cliErrors.create("CONTROL_TOO_MANY_CLIENTS", { limit: MAX_CLIENTS }));
      // Told, and gone soon whether or not it reads: a refused client must not cost a descriptor for longer.
      socket.resume();
      socket.end(line({ id: null, error }));
      refused.add(socket);
      const gone = setTimeout(() => socket.destroy(), LAST_ANSWER_MS);
      socket.on("close", () => {
        clearTimeout(gone);
        refused.delete(socket);
      });
      return;
    }
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, node);
  });
  await listen(server, path);
  chmodSync(path, 0o600);
  return {
    path,
    async [Symbol.asyncDispose](): Promise<void> {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.destroySoon();
      // A client that does not read its last answer must not keep the node from ending.
      const patience = setTimeout(() => {
        for (const socket of [...sockets, ...refused]) socket.destroy();
      }, LAST_ANSWER_MS);
      await closed;
      clearTimeout(patience);
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      fail(cliErrors.create("CONTROL_REFUSED", { path, reason: cause.code ?? cause.message }, cause));
    });
    server.listen(path, done);
  });
  server.removeAllListeners("error");
}

function serve(socket: Socket, node: ControlledNode): void {
  const reader = new LineReader(MAX_REQUEST_BYTES);
  let inFlight = 0;

  const send = (frame: object): void => {
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(line(frame));
    if (socket.writableLength > MAX_UNSENT_BYTES && !socket.isPaused()) {
      socket.pause();
      socket.once("drain", () => socket.resume());
    }
  };
  const refuse = (id: ControlId | null, error: unknown): void => send({ id, error: toFailure(error) });

  socket.on("data", (chunk: Buffer) => {
    const lines = reader.push(chunk);
    if (lines === undefined) {
      refuse(null, cliErrors.create("CONTROL_FRAME_TOO_LARGE", { limit: MAX_REQUEST_BYTES }));
      socket.destroySoon();
      return;
    }
    for (const text of lines) {
      if (text.trim() === "") continue;
      const request = parseRequest(text, refuse);
      if (request === undefined) continue;
      if (inFlight >= MAX_IN_FLIGHT) {
        refuse(request.id, cliErrors.create("CONTROL_TOO_MANY_IN_FLIGHT", { limit: MAX_IN_FLIGHT }));
        continue;
      }
      inFlight += 1;
      void run(node, request)
        .then(
          (result) => send({ id: request.id, result }),
          (error: unknown) => refuse(request.id, error),
        )
        .finally(() => {
          inFlight -= 1;
        });
    }
  });
}

function parseRequest(
  text: string,
  refuse: (id: ControlId | null, error: unknown) => void,
): ControlRequest | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    refuse(null, cliErrors.create("CONTROL_FRAME_INVALID", { pointer: "/", reason: "is not JSON" }));
    return undefined;
  }
  const problem = checkControlRequest(frame);
  if (problem === undefined) return frame as ControlRequest;
  const { pointer, message: reason } = problem;
  refuse(idOf(frame), cliErrors.create("CONTROL_FRAME_INVALID", { pointer, reason }));
  return undefined;
}

/** So that a client can tell which of its requests was wrong, where that can be known at all. */
function idOf(frame: unknown): ControlId | null {
  const id = typeof frame === "object" && frame !== null ? (frame as { id?: unknown }).id : undefined;
  if (typeof id === "string" && id.length > 0 && id.length <= 64) return id;
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : null;
}

async function run(node: ControlledNode, { method, params = {} }: ControlRequest): Promise<Json> {
  if (!isControlMethod(method)) throw cliErrors.create("CONTROL_METHOD_UNKNOWN", { method });
  const problem = checkControlParams(method, params);
  if (problem !== undefined) {
    const { pointer, message: reason } = problem;
    throw cliErrors.create("CONTROL_FRAME_INVALID", { pointer: `/params${pointer}`, reason });
  }
  const result = await answer(node, method, params);
  const wrong = checkControlResult(method, result);
  if (wrong !== undefined)
    throw new Error(`${method} answered what its schema refuses: ${wrong.pointer} ${wrong.message}`);
  return result;
}

function line(frame: object): string {
  return `${JSON.stringify(frame)}\n`;
}
