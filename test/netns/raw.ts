/** `raw.py` in a namespace: packets of any source, and packets read off the wire. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "@vnes/schemas";
import type { Namespaces } from "./namespaces.ts";

const SCRIPT = fileURLToPath(new URL("raw.py", import.meta.url));

export type From = readonly [address: string | null, port: number | null];

export interface Raw extends Disposable {
  send(packets: {
    readonly to: readonly [address: string, port: number];
    /** Null: drawn anew for each packet. */
    readonly from: From;
    readonly payload: Uint8Array;
    readonly count?: number;
    /** Place in the payload whose next eight bytes are drawn anew for each packet. */
    readonly vary?: number;
    readonly perSecond?: number;
  }): Promise<{ readonly sent: number; readonly bytes: number }>;
  /** What comes next for a UDP port here, whether or not anybody gets it. */
  capture(
    port: number,
    count: number,
  ): Promise<readonly { readonly from: From; readonly payload: Uint8Array }[]>;
  /** From now on what comes here waits for the next `count`. */
  listen(): Promise<void>;
  /** What came here from a UDP port since `listen`, in `ms` more, and beyond that until nothing came for `quietMs`. */
  count(
    port: number,
    ms: number,
    quietMs?: number,
  ): Promise<{ readonly packets: number; readonly bytes: number }>;
}

export async function openRaw(spaces: Namespaces, space: string): Promise<Raw> {
  const [command, ...args] = [...spaces.under(space), "python3", SCRIPT];
  const child: ChildProcess = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("no pipes");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const answer = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error("raw.py ended");
    return JSON.parse(value as string) as T;
  };
  await answer();
  /** One at a time: answers come in the order of the orders. */
  const ask = <T>(order: JsonObject): Promise<T> => {
    stdin.write(`${JSON.stringify(order)}\n`);
    return answer<T>();
  };
  return {
    send: ({ to, from, payload, count = 1, vary = -1, perSecond = 10_000 }) => {
      const hex = Buffer.from(payload).toString("hex");
      return ask({ do: "send", to: [...to], from: [...from], hex, count, vary, perSecond });
    },
    async capture(port, count) {
      const order = { do: "capture", port, count, timeoutMs: 10_000 };
      const { packets } = await ask<{ packets: readonly { from: From; hex: string }[] }>(order);
      return packets.map(({ from, hex }) => ({ from, payload: Buffer.from(hex, "hex") }));
    },
    async listen() {
      await ask({ do: "listen" });
    },
    count: (port, ms, quietMs = 0) => ask({ do: "count", port, ms, quietMs }),
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}
