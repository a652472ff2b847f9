/** Pages of a partition's events as they travel from its owner to a subscriber on another node, as JSON. */
import type { PartitionEvent } from "../runtime/topics/partition-reader.ts";

export const PAGE_SERVICE = "page";
/** What a page carries unless one event alone is larger. */
const PAGE_EVENTS = 1_024;
const PAGE_BYTES = 512 * 1024;

export interface PageRequest {
  /** Name of the partition's shard. */
  readonly shard: string;
  readonly from: number;
  /** How long the owner may wait for the first event. */
  readonly waitMs: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodePageRequest(request: PageRequest): Uint8Array {
  return encoder.encode(JSON.stringify(request));
}

/** Undefined for anything else. */
export function parsePageRequest(bytes: Uint8Array): PageRequest | undefined {
  const value = parse(bytes) as Partial<PageRequest> | undefined;
  const { shard, from, waitMs } = value ?? {};
  return typeof shard === "string" && isCount(from) && isCount(waitMs) ? { shard, from, waitMs } : undefined;
}

export interface EventPage {
  /** Seq of the partition's last durable event. */
  readonly lastSeq: number;
  readonly events: readonly PartitionEvent[];
}

/** As many of the events as fit a page. */
export function encodePage({ lastSeq, events }: EventPage): Uint8Array {
  const texts: string[] = [];
  let bytes = 0;
  for (const event of events.slice(0, PAGE_EVENTS)) {
    const text = JSON.stringify(event);
    if (texts.length > 0 && bytes + text.length > PAGE_BYTES) break;
    bytes += text.length;
    texts.push(text);
  }
  return encoder.encode(`{"lastSeq":${lastSeq},"events":[${texts.join(",")}]}`);
}

/** Its events are `from`, `from + 1` and so on; undefined when that is not what came. */
export function parsePage(bytes: Uint8Array, from: number): EventPage | undefined {
  const { lastSeq, events } = (parse(bytes) ?? {}) as Partial<EventPage>;
  if (!isCount(lastSeq) || !Array.isArray(events)) return undefined;
  const isPage = events.every((one: Partial<PartitionEvent> | null, index) => {
    if (typeof one !== "object" || one === null || one.event === undefined) return false;
    if (one.seq !== from + index || !isCount(one.size)) return false;
    return typeof one.key === "string" && typeof one.hash === "string";
  });
  return isPage ? { lastSeq, events: events as readonly PartitionEvent[] } : undefined;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
