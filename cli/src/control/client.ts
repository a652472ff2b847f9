/** The command line's end of the control socket. Responses are checked like any bytes from outside. */
import { connect, type Socket } from "node:net";
import {
  checkControlResponse,
  checkControlResult,
  type ControlMethod,
  type ControlResponse,
  type Json,
  type JsonObject,
  type VnesError,
} from "@vnes/schemas";
import { cliErrors } from "../errors.ts";
import {
  ANSWER_TIMEOUT_MS,
  CALL_GRACE_MS,
  CONNECT_TIMEOUT_MS,
  MAX_RESPONSE_BYTES,
  SILENCE_MS,
} from "./bounds.ts";
import { fromFailure } from "./failure.ts";
import { LineReader } from "./lines.ts";
import { assertSocketPath } from "./socket-path.ts";

interface Waiting {
  readonly method: ControlMethod;
  readonly done: (result: Json) => void;
  readonly fail: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
  readonly silence: NodeJS.Timeout | undefined;
}

export interface ControlTarget {
  readonly path: string;
  readonly node: string;
  /** Called once for each request without a deadline of its own that the node has not answered after `SILENCE_MS`. */
  readonly onSilence?: (limitMs: number) => void;
}

export class ControlClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  /** Set once the connection is of no use any more. */
  #ended: VnesError | undefined;

  readonly #onSilence: ControlTarget["onSilence"];

  private constructor(socket: Socket, { onSilence }: ControlTarget) {
    this.#socket = socket;
    this.#onSilence = onSilence;
    const reader = new LineReader(MAX_RESPONSE_BYTES);
    socket.on("data", (chunk: Buffer) => {
      const lines = reader.push(chunk);
      if (lines === undefined)
        this.#end(cliErrors.create("CONTROL_FRAME_TOO_LARGE", { limit: MAX_RESPONSE_BYTES }));
      for (const text of lines ?? []) this.#receive(text);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#end(undefined));
  }

  /** Rejects with `NODE_NOT_RUNNING` or `CONTROL_REFUSED`. */
  static async connect(target: ControlTarget): Promise<ControlClient> {
    const { path, node } = target;
    assertSocketPath(path);
    const socket = connect({ path });
    await new Promise<void>((done, fail) => {
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error("no answer")));
      socket.once("connect", done);
      socket.once("error", (cause: NodeJS.ErrnoException) => {
        const gone = cause.code === "ENOENT" || cause.code === "ECONNREFUSED";
        const reason = cause.code ?? cause.message;
        fail(
          gone
            ? cliErrors.create("NODE_NOT_RUNNING", { node, path }, cause)
            : cliErrors.create("CONTROL_REFUSED", { path, reason }, cause),
        );
      });
    });
    socket.setTimeout(0);
    socket.removeAllListeners("error");
    return new ControlClient(socket, target);
  }

  /** Rejects with the node's own error, `CONTROL_TIMEOUT` or `CONTROL_CLOSED`. */
  async request(
    method: ControlMethod,
    params: JsonObject = {},
    limitMs: number = ANSWER_TIMEOUT_MS,
  ): Promise<Json> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#next++;
    const own = params["timeout_ms"];
    const ms = typeof own === "number" ? own + CALL_GRACE_MS : limitMs;
    const tell = typeof own === "number" ? undefined : this.#onSilence;
    return await new Promise<Json>((done, fail) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        clearTimeout(silence);
        fail(cliErrors.create("CONTROL_TIMEOUT", { method, ms }));
      }, ms);
      const silence = tell && setTimeout(() => tell(ms), SILENCE_MS);
      this.#waiting.set(id, { method, done, fail, timer, silence });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  close(): void {
    this.#socket.destroySoon();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #receive(text: string): void {
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#end(cliErrors.create("CONTROL_FRAME_INVALID", { pointer: "/", reason: "is not JSON" }));
      return;
    }
    const problem = checkControlResponse(frame);
    if (problem !== undefined) {
      this.#end(
        cliErrors.create("CONTROL_FRAME_INVALID", { pointer: problem.pointer, reason: problem.message }),
      );
      return;
    }
    const response = frame as ControlResponse;
    if (response.id === null) {
      if ("error" in response) this.#end(fromFailure(response.error));
      return;
    }
    const waiting = this.#waiting.get(response.id as number);
    // An answer that came after its timeout: the command has already said so.
    if (waiting === undefined) return;
    this.#waiting.delete(response.id as number);
    clearTimeout(waiting.timer);
    clearTimeout(waiting.silence);
    if ("error" in response) {
      waiting.fail(fromFailure(response.error));
      return;
    }
    const wrong = checkControlResult(waiting.method, response.result);
    if (wrong === undefined) waiting.done(response.result);
    else {
      const pointer = `/result${wrong.pointer}`;
      waiting.fail(cliErrors.create("CONTROL_FRAME_INVALID", { pointer, reason: wrong.message }));
    }
  }

  #end(error: VnesError | undefined): void {
    this.#ended ??= error ?? cliErrors.create("CONTROL_CLOSED", { method: "a request" });
    for (const { method, fail, timer, silence } of this.#waiting.values()) {
      clearTimeout(timer);
      clearTimeout(silence);
      fail(error ?? cliErrors.create("CONTROL_CLOSED", { method }));
    }
    this.#waiting.clear();
    this.#socket.destroy();
  }
}
