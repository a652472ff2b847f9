/** What comes due in a branch when its time goes on: timers, expiries and deadlines, in (due, id) order as on the shard itself. */
import type { Delivery } from "@vnes/schemas";
import { kernelErrors } from "../errors.ts";
import type { ShardState } from "../ledger/shard-state.ts";

export interface Due {
  readonly at: number;
  readonly delivery: Delivery;
}

/** The first thing due at or before `until`; undefined when nothing is. */
export function nextDue(state: ShardState, until: number): Due | undefined {
  let first: { readonly at: number; readonly name: string; make(): Delivery } | undefined;
  const offer = (at: number, name: string, make: () => Delivery): void => {
    if (at > until) return;
    if (first === undefined || at < first.at || (at === first.at && name < first.name))
      first = { at, name, make };
  };
  for (const [id, { at, payload }] of state.timers) {
    offer(at, `t:${id}`, () => ({ kind: "timer", id, dueAt: at, payload }));
  }
  for (const [key, at] of state.expiries) {
    const version = state.versions.get(key) ?? 0;
    offer(at, `k:${version}:${key}`, () => ({ kind: "expiry", key, version, dueAt: at }));
  }
  for (const [callId, { deadlineAt, tag, context, capability, method }] of state.pending) {
    offer(deadlineAt, `c:${callId}`, () => {
      const details = { capability, method, timeoutMs: 0 };
      const { code, message } = kernelErrors.create("CALL_TIMEOUT", details);
      return { kind: "answer", callId, tag, context, answer: { ok: false, code, message } };
    });
  }
  return first === undefined ? undefined : { at: first.at, delivery: first.make() };
}
