/** Bare isolated-vm in a process of its own (`isolate-bare.ts`): what benches of isolates and replays are measured beside. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { ISOLATE_FLAGS } from "@vnes/driver-isolate";
import type { TurnRequest } from "@vnes/schemas";
import type { BareCosts, BareRequest } from "./isolate-bare.ts";

export class BareIsolate {
  readonly #child: ChildProcess = fork(new URL("./isolate-bare.ts", import.meta.url), {
    execArgv: [...ISOLATE_FLAGS, "--conditions=source"],
  });

  static async start(): Promise<BareIsolate> {
    const bare = new BareIsolate();
    await bare.answer([]);
    return bare;
  }

  /** One call from this process to that one and back. */
  async answer(requests: readonly TurnRequest[]): Promise<void> {
    this.#child.send({ text: JSON.stringify(requests) } satisfies BareRequest);
    const [text] = (await once(this.#child, "message")) as [string];
    JSON.parse(text);
  }

  /** What the requests cost there again and again for `roundMs`, with nothing crossing processes. */
  async costs(requests: readonly TurnRequest[], roundMs: number): Promise<BareCosts> {
    this.#child.send({ measure: { requests, roundMs } } satisfies BareRequest);
    const [costs] = (await once(this.#child, "message")) as [BareCosts];
    return costs;
  }

  kill(): void {
    this.#child.kill();
  }
}
