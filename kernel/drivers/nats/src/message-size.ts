/**
 * How large a message may be. What a server takes is asked anew for each: the one a connection comes back to may be another, or
 * the same with other settings.
 */
import type { Bus } from "./connection.ts";

/** What is larger goes in parts, and each part has up to 2 KiB of its own: below this there would be little but those. */
export const LEAST_PAYLOAD_BYTES: number = 16 * 1024;
/** A message of ordinary turns; a larger batch is cut. Well below the smallest limit servers are run with. */
const PART_BYTES: number = 256 * 1024;
/** For subject, headers and frame. */
const MESSAGE_OVERHEAD_BYTES = 2 * 1024;

/** At least `LEAST_PAYLOAD_BYTES`: a server that takes less is refused when a node opens it, and later takes nothing that is larger. */
export function maxPayload({ connection }: Pick<Bus, "connection">): number {
  return Math.max(connection.info?.max_payload ?? 0, LEAST_PAYLOAD_BYTES);
}

/** Bytes of a batch or a chunk in one message. */
export function partBytes(bus: Pick<Bus, "connection">): number {
  return Math.min(PART_BYTES, maxPayload(bus) - MESSAGE_OVERHEAD_BYTES);
}
