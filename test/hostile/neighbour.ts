/** A healthy capsule in a host of its own that is asked again and again, and how long its turns take. */
import type { Confinement, Sandbox, SandboxInstance } from "@vnes/kernel";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { call, endOf } from "./turns.ts";

export interface Span {
  readonly turns: number;
  /** Milliseconds that 99 of 100 turns took at most. */
  readonly p99Ms: number;
}

export class Neighbour {
  readonly #instance: SandboxInstance;
  readonly #pauseMs: number;
  readonly #pid: number;
  readonly failed: string[] = [];
  served = 0;
  #took: number[] = [];
  #isStopping = false;
  readonly #loop: Promise<void>;

  private constructor(instance: SandboxInstance, pid: number, pauseMs: number) {
    this.#instance = instance;
    this.#pid = pid;
    this.#pauseMs = pauseMs;
    this.#loop = this.#ask();
  }

  /** `pauseMs`: between two turns. Without a confinement, a process and nothing more. */
  static async open(sandbox: Sandbox, pauseMs: number, confinement?: Confinement): Promise<Neighbour> {
    const bundle = await bundleSource(
      `import { capsule } from "@vnes/sdk"; export default capsule({ calls: { "t.ok": () => 1 } });`,
    );
    const spec = specOf(bundle, { group: "healthy", instance: "healthy/0" });
    const instance = await sandbox.open(confinement === undefined ? spec : { ...spec, confinement });
    return new Neighbour(instance, (await instance.meters()).host.pid, pauseMs);
  }

  /** Since the last `span`. */
  get turns(): number {
    return this.#took.length;
  }

  /** Since the last time. */
  span(): Span {
    const took = this.#took.sort((a, b) => a - b);
    this.#took = [];
    const at = Math.min(took.length - 1, Math.floor(took.length * 0.99));
    return { turns: took.length, p99Ms: took[at] ?? 0 };
  }

  /** The next so many. */
  async spanOf(turns: number): Promise<Span> {
    this.span();
    while (this.turns < turns && this.failed.length === 0) await pause(10);
    return this.span();
  }

  /** Resolves once it was served again. */
  async servedAgain(): Promise<void> {
    const before = this.served;
    while (this.served === before && this.failed.length === 0) await pause(1);
  }

  /** Resolves once no turn is under way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#loop;
  }

  async #ask(): Promise<void> {
    while (!this.#isStopping) {
      const startedAt = performance.now();
      const { how } = await endOf(this.#instance, call("ok"));
      this.#took.push(performance.now() - startedAt);
      if (how === "done") this.served += 1;
      else this.failed.push(how);
      await pause(this.#pauseMs);
    }
    if ((await this.#instance.meters()).host.pid !== this.#pid) this.failed.push("another host");
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
