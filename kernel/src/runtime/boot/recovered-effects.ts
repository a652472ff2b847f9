/**
 * After a crash: what was asked for and not confirmed is asked for again, of whoever has to receive it now. That may be
 * another capsule than the one that was asked before, which no watermark keeps from doing a call a second time.
 *
 * RE1. A call that a shard of this node took is asked of nobody: its answer comes from there, or its deadline ends it. Until the
 *      caller has the answer on record, that shard has the call among its open ones or the answer in its outbox.
 * RE2. An answer in an outbox is told, whether its capsule still runs or not, unless the caller has on record how the call ended:
 *      that it was told is written down with the next record only, which may not have come. A person of an earlier run waits no more.
 * RE3. A call that may be with a former provider whose records are not here is asked of its successor only if it may be done twice.
 *      Otherwise it ends by name: nobody here can know whether it was done.
 * RE4. An event of an `at_most_once` topic is not published again: it may have been, and only the next record would have said so.
 */
import { isDurable, type Topics } from "../../bus/topics.ts";
import { type EffectId, parseEffectId } from "../../ledger/effect-id.ts";
import type { OutboxEntry } from "../../ledger/outbox.ts";
import { type PendingCall, STATE_CAPABILITY } from "../../ledger/shard-state.ts";
import type { NodeContext } from "../node/node-context.ts";
import type { Router } from "../node/router.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { ProviderFact, RecordedProviders } from "./recorded-providers.ts";
import type { RecoveredShard } from "./recovery.ts";

/** A call or a read that no outbox repeats. */
interface Unanswered {
  readonly deadlineAt: number;
  /** Asks again, or answers in the place of whoever was asked; when everything runs. */
  deal(): void;
}

/** `outbox`: who receives it has it, or is asked out of the outbox. `again`: it is not there any more, and is asked all the same. */
type Fate = "taken" | "outbox" | "again" | ((caller: CapsuleShard) => void);

export function recoverEffects(
  { board, control, router, kernel, parts, counters }: NodeContext,
  recovered: ReadonlyMap<string, RecoveredShard>,
  providers: RecordedProviders,
): readonly Unanswered[] {
  const taken = takenCalls(recovered);
  const unanswered: Unanswered[] = [];
  for (const [name, { state }] of recovered) {
    if (name === kernel.name) continue;
    const { outbox } = state;
    const caller = board.shards.get(name);
    const again: OutboxEntry[] = [];
    for (const call of state.pending.values()) {
      const { callId, deadlineAt } = call;
      const id = parseEffectId(callId);
      if (id === undefined) continue;
      const asked = outbox.of(id.seq).find((entry) => entry.id.index === id.index);
      const former = formerOf(providers.get(call.capability), asked);
      const fate = taken.has(callId) ? "taken" : fateOf(router, call, asked, former);
      if (fate === "outbox") continue;
      outbox.confirm(id);
      if (caller === undefined || fate === "taken") continue;
      if (fate !== "again") unanswered.push({ deadlineAt, deal: () => fate(caller) });
      else if (parts.clock.now() < deadlineAt) again.push(entryOf(call, id));
    }
    for (const entry of [...again, ...outbox.values()].sort(byId)) {
      const { id, effect } = entry;
      const isKnown =
        effect.do === "answer" && (control.isOurs(effect.callId) || hasEnded(recovered, effect.callId));
      const isInDoubt = isUnkept(entry, board.topics);
      if (isInDoubt) counters.add("ephemeral.inDoubt");
      if (isKnown || isInDoubt) outbox.confirm(id);
      else router.route(entry, () => outbox.confirm(id));
    }
  }
  return unanswered;
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

/** RE3: who may have been given the call, as far as the records here leave it open. `asked`: it is not confirmed. */
function formerOf(
  provider: ProviderFact | undefined,
  asked: OutboxEntry | undefined,
): ProviderFact["former"] {
  if (provider === undefined || provider.former === null) return null;
  const { records, former } = provider;
  if (asked !== undefined) return asked.at <= former.until ? former : null;
  // A driver confirms what it is given at once. What another capsule confirmed it has on record, and answers.
  return former.records === "none" && records === "here" ? former : null;
}

/** What a partition or a capsule did not receive is repeated by the outbox; a driver and a read leave nothing there once they were asked. */
function fateOf(
  router: Router,
  call: PendingCall,
  asked: OutboxEntry | undefined,
  former: ProviderFact["former"],
): Fate {
  if (call.capability === STATE_CAPABILITY) return (caller) => router.recoverRead(caller, call);
  if (router.isDeviceCall(call.capability)) return (caller) => router.recoverDeviceCall(caller, call);
  if (former === null) return "outbox";
  if (!router.mayRepeat(call)) return (caller) => router.endInDoubt(caller, call, former.capsule);
  return asked === undefined ? "again" : "outbox";
}

/** As the outbox had it. */
function entryOf(call: PendingCall, id: EffectId): OutboxEntry {
  const { capability, method, input, tag, context, deadlineAt, depth } = call;
  const effect = { do: "call", capability, method, input, tag, context, timeoutMs: 0 } as const;
  return { id, at: deadlineAt, depth: depth + 1, effect };
}

/** RE4 */
function isUnkept({ effect }: OutboxEntry, topics: Topics): boolean {
  const topic = effect.do === "publish" ? topics.get(effect.topic) : undefined;
  return topic !== undefined && !isDurable(topic);
}

/** RE2: false also of one whose caller is on another node. */
function hasEnded(recovered: ReadonlyMap<string, RecoveredShard>, callId: string): boolean {
  const caller = recovered.get(parseEffectId(callId)?.shard ?? "");
  return caller?.state.pending.has(callId) === false;
}

function byId(a: OutboxEntry, b: OutboxEntry): number {
  return a.id.seq - b.id.seq || a.id.index - b.id.index;
}
