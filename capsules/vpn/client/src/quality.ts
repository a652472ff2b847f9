/**
 * Whether the active path does what policy asks. Pure.
 *
 * CL9. It falls below policy by `belowPings` of the last `ofPings`, and is above it again only when none of the last
 *     `ofPings` was below: between two changes there are always that many pings.
 */
import type { ClientConfig } from "./config.ts";
import type { PathHealth, Quality } from "./vocabulary.ts";

export const NEW_QUALITY: Quality = { isBelow: false, reason: null, recent: [] };

/** How a ping came out: answered, only a small one was, or none. */
export type Outcome = "answered" | "small" | "unanswered";
export type Bounds = Pick<
  ClientConfig["policy"],
  "maxLossPercent" | "maxLatencyMs" | "belowPings" | "ofPings"
>;

/** What is wrong with a path after a ping over it; null: nothing. */
export function problemOf(
  outcome: Outcome,
  { lossPercent, latencyMs }: Pick<PathHealth, "lossPercent" | "latencyMs">,
  policy: Pick<Bounds, "maxLossPercent" | "maxLatencyMs">,
): string | null {
  if (outcome === "unanswered") return "PINGS_UNANSWERED";
  if (outcome === "small") return "LARGE_FRAMES_LOST";
  if ((lossPercent ?? 0) > policy.maxLossPercent) return "LOSS_ABOVE_POLICY";
  return (latencyMs ?? 0) > policy.maxLatencyMs ? "LATENCY_ABOVE_POLICY" : null;
}

export function judge({ isBelow, reason, recent }: Quality, problem: string | null, policy: Bounds): Quality {
  const last = [...recent, problem !== null].slice(-policy.ofPings);
  const below = last.filter((one) => one).length;
  if (!isBelow && below >= policy.belowPings) return { isBelow: true, reason: problem, recent: [] };
  if (isBelow && last.length === policy.ofPings && below === 0) return NEW_QUALITY;
  return { isBelow, reason: isBelow ? (problem ?? reason) : null, recent: last };
}
