/**
 * After a crash: what was asked for and not confirmed is asked for again, of whoever has to receive it now. That may be
 * another capsule than the one that was asked before, which no watermark keeps from doing a call a second time.
 *
 * RE1. A call that a shard of this node took is asked of nobody: its answer comes from there, or its deadline ends it. Until the
 *      caller has the answer on record, that shard has the call among its open ones or the answer in its outbox.
 */
import { formatEffectId, parseEffectId } from "../../ledger/effect-id.ts";
import { type PendingCall, type ShardState, STATE_CAPABILITY } from "../../ledger/shard-state.ts";
import type { NodeContext } from "../node/node-context.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { RecoveredShard } from "./recovery.ts";

/** Returns the calls to drivers and the reads that had no answer; they can be dealt with when everything runs. */
export function recoverEffects(
  { board, router, kernel }: NodeContext,
  recovered: ReadonlyMap<string, RecoveredShard>,
): readonly { readonly caller: CapsuleShard; readonly call: PendingCall }[] {
  const taken = takenCalls(recovered);
  const unanswered: { readonly caller: CapsuleShard; readonly call: PendingCall }[] = [];
  for (const [name, { state }] of recovered) {
    if (name === kernel.name) continue;
    confirmTaken(state, taken);
    const caller = board.shards.get(name);
    for (const call of state.pending.values()) {
      if (caller === undefined || taken.has(call.callId) || !isAskedAgain(router, call)) continue;
      const id = parseEffectId(call.callId);
      if (id !== undefined) state.outbox.confirm(id);
      unanswered.push({ caller, call });
    }
    for (const entry of state.outbox.values()) router.route(entry, ({ id }) => state.outbox.confirm(id));
  }
  return unanswered;
}

/** What a partition or a capsule did not receive is repeated by the outbox; these leave nothing there once they were asked. */
function isAskedAgain(router: NodeContext["router"], { capability }: PendingCall): boolean {
  return capability === STATE_CAPABILITY || router.isDeviceCall(capability);
}

/** Ids of the calls that shards have not answered, or whose answer is not confirmed. */
function takenCalls(recovered: ReadonlyMap<string, RecoveredShard>): ReadonlySet<string> {
  const taken = new Set<string>();
  for (const { state } of recovered.values()) {
    for (const [callId] of state.open) taken.add(callId);
    for (const { effect } of state.outbox.values()) if (effect.do === "answer") taken.add(effect.callId);
  }
  return taken;
}

/** RE1. */
function confirmTaken({ outbox }: ShardState, taken: ReadonlySet<string>): void {
  for (const { id, effect } of outbox.values())
    if (effect.do === "call" && taken.has(formatEffectId(id))) outbox.confirm(id);
}
