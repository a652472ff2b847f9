/** The control socket as a stranger would write it from its description: a line a request, a line an answer. */
import { connect, type Socket } from "node:net";
import { once } from "node:events";

export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string };

export class Control {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #next = 1;
  #rest = "";
  #open = true;
  #strays = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#open = false;
      for (const end of this.#waiting.values()) end({ ok: false, code: "GONE", message: "the node is gone" });
      this.#waiting.clear();
    });
  }

  /** Undefined while nobody listens. */
  static async connect(path: string): Promise<Control | undefined> {
    const socket = connect({ path });
    try {
      await once(socket, "connect");
    } catch {
      return undefined;
    }
    return new Control(socket);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Answers nobody waits for: to what was answered before, or never asked. */
  get strays(): number {
    return this.#strays;
  }

  /** What a capability answers. Requests made in one tick cross together. */
  call(capability: string, method: string, input: unknown, timeoutMs: number): Promise<Reply> {
    return this.#request("call", { capability, method, input, timeout_ms: timeoutMs }).then((reply) =>
      reply.ok ? (reply.value as Reply) : reply,
    );
  }

  status(): Promise<Reply> {
    return this.#request("status", {});
  }

  close(): void {
    this.#socket.destroy();
  }

  #request(method: string, params: object): Promise<Reply> {
    return new Promise((resolve) => {
      if (!this.#open) return resolve({ ok: false, code: "GONE", message: "the node is gone" });
      const id = this.#next++;
      this.#waiting.set(id, resolve);
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const { id, result, error } = JSON.parse(line) as {
        id: number;
        result?: unknown;
        error?: { code: string; message: string };
      };
      const end = this.#waiting.get(id);
      if (!this.#waiting.delete(id)) this.#strays++;
      if (error !== undefined) end?.({ ok: false, code: error.code, message: error.message });
      else end?.({ ok: true, value: result });
    }
  }
}
