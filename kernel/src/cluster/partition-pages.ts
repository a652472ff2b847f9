/** The owner's side of `remote-partition.ts`: answers with a page as soon as there is one, or an empty one after a while. */
import type { Clock } from "../ports/clock.ts";
import type { PartitionReader } from "../runtime/topics/partition-reader.ts";
import { encodePage, parsePageRequest } from "./event-page.ts";

const PAGE_LIMIT = 1_024;
/** A peer that asks for longer waits this long. */
const MAX_WAIT_MS = 10_000;

export class PartitionPages {
  readonly #clock: Clock;
  readonly #find: (shard: string) => PartitionReader | undefined;
  /** By shard: who waits for its next event. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock, find: (shard: string) => PartitionReader | undefined) {
    this.#clock = clock;
    this.#find = find;
  }

  /** Throws for what is no question, or about a partition that is not here: the asking node asks again. */
  async answer(bytes: Uint8Array): Promise<Uint8Array> {
    const request = parsePageRequest(bytes);
    const partition = request === undefined ? undefined : this.#find(request.shard);
    if (request === undefined || partition === undefined) throw new Error("no such partition here");
    const { from, waitMs } = request;
    let events = partition.peek(from, PAGE_LIMIT);
    if (events?.length === 0) {
      await this.#untilEvents(partition, Math.min(waitMs, MAX_WAIT_MS));
      events = partition.peek(from, PAGE_LIMIT);
    }
    events ??= await partition.fetch(from);
    return encodePage({ lastSeq: partition.lastSeq, events });
  }

  #untilEvents(partition: PartitionReader, waitMs: number): Promise<void> {
    let waiting = this.#waiting.get(partition.shard);
    if (waiting === undefined) {
      const made = new Set<() => void>();
      this.#waiting.set(partition.shard, made);
      partition.onEvents(() => {
        for (const wake of made) wake();
      });
      waiting = made;
    }
    const here = waiting;
    return new Promise((resolve) => {
      const wake = (): void => {
        here.delete(wake);
        cancel();
        resolve();
      };
      const cancel = this.#clock.wakeAt(this.#clock.now() + waitMs, wake);
      here.add(wake);
    });
  }
}
