/**
 * Watches the writing ends of a node's shards: who waits for the store (a full disk), told to people once when it starts
 * and once when it is over, and the way to let go of what waits when the node ends first.
 */
import type { VnesError } from "@vnes/schemas";
import type { Log } from "../../ports/log.ts";
import type { ShardLog } from "./shard-log.ts";

export class LedgerWatch {
  readonly #lines: Log;
  readonly #logs: ShardLog[] = [];
  readonly #stalls = new Map<string, VnesError>();
  #abandoned: VnesError | undefined;
  #onStall: ((problem: VnesError) => void) | undefined;

  constructor(lines: Log) {
    this.#lines = lines;
  }

  add(log: ShardLog): void {
    this.#logs.push(log);
  }

  /** Rejects when a shard has to wait for the store; until `end` is called. */
  untilStall(): { readonly stalled: Promise<never>; end(): void } {
    const stalled = new Promise<never>((_, reject) => {
      this.#onStall = reject;
    });
    stalled.catch(() => undefined);
    return {
      stalled,
      end: () => {
        this.#onStall = undefined;
      },
    };
  }

  /** True once the node has given the ledger up; what fails from then on is a consequence, not news. */
  get isAbandoned(): boolean {
    return this.#abandoned !== undefined;
  }

  set(shard: string, problem: VnesError | undefined): void {
    if (this.#abandoned !== undefined) {
      if (problem !== undefined) this.abandon(this.#abandoned);
      return;
    }
    const before = this.#stalls.size;
    if (problem === undefined) this.#stalls.delete(shard);
    else this.#stalls.set(shard, problem);
    if (problem !== undefined) this.#onStall?.(problem);
    if (before === 0 && problem !== undefined) {
      this.#lines.error({ code: problem.code, remedy: problem.remedy }, `${problem.message}; turns wait`);
    }
    if (before > 0 && this.#stalls.size === 0) this.#lines.info({}, "the ledger takes records again");
  }

  problems(): readonly VnesError[] {
    return [...this.#stalls.values()];
  }

  /** Gives up every append that waits, now or later. None of it was released, so nobody was told of it. */
  abandon(error: VnesError): void {
    this.#abandoned = error;
    for (const log of this.#logs) log.abandon(error);
  }
}
