/**
 * How many frames are worked on: of one client, so that it cannot take the turns of the others, and of all clients together,
 * so that many of them, each within its own rate, cannot take them from the node.
 */
import type { Turn } from "@vnes/sdk";
import type { Bound, GatewayReason } from "@vnes/vpn-common";
import type { GatewayConfig } from "./config.ts";
import { burstMet, take } from "./rate.ts";
import { loadBucket, loadCommonBucket, saveBucket, saveCommonBucket } from "./store.ts";

/** Who is not to blame waits until others' frames have gone by; at the rate of one more frame all would come back at once. */
const OVERLOADED_RETRY_MS = 1000;

export type Refused = {
  readonly reason: Extract<GatewayReason, "RATE_LIMITED" | "GATEWAY_OVERLOADED">;
  readonly bound: Bound;
  /** Otherwise it is only counted. */
  readonly tell: boolean;
  readonly retryAfterMs: number;
};

/** Takes a frame from both; what a client sends beyond its own rate takes nothing from the others. Null: it is worked on. */
export function overLimit(turn: Turn, config: GatewayConfig, peer: string): Refused | null {
  const { keys, at } = turn;
  const own = take(loadBucket(keys, peer), config.requestsPerMinute, at);
  saveBucket(keys, peer, own.bucket);
  if (!own.allowed) {
    const { tell, retryAfterMs } = own;
    return { reason: "RATE_LIMITED", bound: burstMet("requestsPerMinute", config), tell, retryAfterMs };
  }
  const all = take(loadCommonBucket(keys), config.framesPerMinute, at);
  saveCommonBucket(keys, all.bucket);
  if (all.allowed) return null;
  const retryAfterMs = Math.max(all.retryAfterMs, OVERLOADED_RETRY_MS);
  // A client's own rate bounds how often it is told.
  return {
    reason: "GATEWAY_OVERLOADED",
    bound: burstMet("framesPerMinute", config),
    tell: true,
    retryAfterMs,
  };
}
