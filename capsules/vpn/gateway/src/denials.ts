/** What the gateway denies by itself, before or after the session's owner was asked; what the owner rejects it says itself. */
import type { Turn } from "@vnes/sdk";
import {
  type Bound,
  type Denied,
  deny,
  type GatewayReason,
  type Standing,
  withBound,
} from "@vnes/vpn-common";
import { count } from "./store.ts";

export function denyClient(
  turn: Turn,
  asker: { readonly channelId: string; readonly pathId: string | null; readonly peer: string },
  asked: string,
  reason: GatewayReason | "SESSION_UNKNOWN",
  {
    standing,
    evidence = {},
    bound = null,
  }: {
    readonly standing?: Standing;
    readonly evidence?: Denied["evidence"];
    readonly bound?: Bound | null;
  } = {},
): void {
  count(turn.keys, `rejected.${reason}`);
  const { channelId, pathId, peer } = asker;
  deny(turn, peer, {
    sessionId: standing?.sessionId ?? null,
    peer,
    by: "gateway",
    asked,
    reason,
    state: null,
    version: standing?.version ?? 0,
    epoch: standing?.epoch ?? 0,
    channelId,
    pathId,
    evidence: withBound(evidence, bound),
  });
}
