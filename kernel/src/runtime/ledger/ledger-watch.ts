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
  /** People who wait for something to be durable; each is told when it may take long. */
  readonly #readers = new Set<(problem: VnesError) => void>();

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
    if (problem !== undefined) for (const tell of this.#readers) tell(problem);
    if (before === 0 && problem !== undefined) {
      this.#lines.error({ code: problem.code, remedy: problem.remedy }, `${problem.message}; turns wait`);
    }
    if (before > 0 && this.#stalls.size === 0) this.#lines.info({}, "the ledger takes records again");
  }

  problems(): readonly VnesError[] {
    return [...this.#stalls.values()];
  }

  /** The first of them: asked by every call. */
  get problem(): VnesError | undefined {
    return this.#stalls.size === 0 ? undefined : this.problems()[0];
  }

  /** Throws what keeps the store from taking records: before something is begun that nobody could be told the end of. */
  assertTaking(): void {
    const { problem } = this;
    if (problem !== undefined) throw problem;
  }

  /** What a read comes to, unless the shard still has records to write and the store takes none: rejects with why, at once. */
  async unlessStalled<Result>(shard: string, read: Promise<Result>): Promise<Result> {
    if (this.#logs.every((log) => log.shard !== shard || log.isDurable)) return read;
    const { promise: stalled, reject: tell } = Promise.withResolvers<never>();
    this.#readers.add(tell);
    const { problem } = this;
    if (problem !== undefined) tell(problem);
    try {
      return await Promise.race([stalled, read]);
    } finally {
      this.#readers.delete(tell);
      // Nobody listens to the one that lost.
      read.catch(() => undefined);
    }
  }

  /** Gives up every append that waits, now or later. None of it was released, so nobody was told of it. */
  abandon(error: VnesError): void {
    this.#abandoned = error;
    for (const log of this.#logs) log.abandon(error);
  }
}
