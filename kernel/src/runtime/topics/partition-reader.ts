/** What a subscriber needs of a topic partition, wherever the partition's owner is. */
import type { Json } from "@vnes/schemas";

export interface PartitionEvent {
  readonly seq: number;
  readonly key: string;
  readonly event: Json;
  /** Hex of the record's chain hash. */
  readonly hash: string;
  /** About the bytes of its record: what keeping it in memory costs. */
  readonly size: number;
}

export interface PartitionReader {
  readonly shard: string;
  readonly topic: string;
  readonly index: number;
  /** Seq of the last durable event, as far as it is known here. */
  readonly lastSeq: number;
  /** Called whenever there is something new to read. */
  onEvents(listener: () => void): void;
  /** Durable events from `from` on, at most `limit`; undefined when they are not in memory and `fetch` must be used. */
  peek(from: number, limit: number): readonly PartitionEvent[] | undefined;
  /** The same from where they are kept, a page of them. */
  fetch(from: number): Promise<readonly PartitionEvent[]>;
}
