/**
 * What one record says of records in other shards, and whether those are what it says. A chain proves that a shard was not
 * changed; only this proves that shards belong together.
 */
import type { Effect, SignedHead } from "@vnes/schemas";
import { hex } from "./chain.ts";
import type { KernelRecord, LedgerRecord } from "./record.ts";

export interface Reference {
  readonly shard: string;
  readonly seq: number;
  /** What has to stand there. */
  readonly is:
    | { readonly kind: "hash"; readonly hash: string }
    | { readonly kind: "publish"; readonly index: number; readonly topic: string; readonly event: string }
    | { readonly kind: "effect"; readonly index: number; readonly of: "call" | "answer" | "publish" };
}

/** `shard`: where the record is. */
export function referencesIn(shard: string, record: LedgerRecord): readonly Reference[] {
  if (record.kind === "event") {
    const { source, event } = record;
    const topic = shard.slice("topic/".length, shard.lastIndexOf("/"));
    const is = { kind: "publish", index: source.index, topic, event: JSON.stringify(event) } as const;
    return [{ shard: source.shard, seq: source.seq, is }];
  }
  if (record.kind === "kernel") return signedHeads(record.fact);
  if (record.kind !== "turn") return [];
  const { input } = record;
  if (input.from === "topic") {
    return [{ shard: input.shard, seq: input.seq, is: { kind: "hash", hash: input.hash } }];
  }
  if (input.from !== "effect") return [];
  const of = effectBehind(input.delivery.kind);
  if (of === undefined) return [];
  return [{ shard: input.shard, seq: input.seq, is: { kind: "effect", index: input.index, of } }];
}

/** What is wrong with the record that was found there; undefined when it is what the reference says. */
export function referenceProblem(
  { is }: Reference,
  found: { readonly record: LedgerRecord; readonly hash: Uint8Array },
): string | undefined {
  if (is.kind === "hash") return hex(found.hash) === is.hash ? undefined : "it has another hash";
  const { record } = found;
  const effects = record.kind === "turn" || record.kind === "kernel" ? record.effects : [];
  const effect: Effect | undefined = effects[is.index];
  if (effect === undefined) return `it has no effect ${is.index}`;
  if (is.kind === "effect") return effect.do === is.of ? undefined : `its effect ${is.index} is no ${is.of}`;
  if (effect.do !== "publish" || effect.topic !== is.topic)
    return `its effect ${is.index} publishes something else`;
  return JSON.stringify(effect.event) === is.event
    ? undefined
    : `its effect ${is.index} publishes another event`;
}

/** Heads the node signed: a shard that lost its end no longer has the record that was vouched for. */
function signedHeads({ type, heads }: KernelRecord["fact"]): readonly Reference[] {
  if (type !== "heads" || !Array.isArray(heads)) return [];
  return (heads as unknown as readonly SignedHead[]).map(({ shard, seq, hash }) => {
    return { shard, seq, is: { kind: "hash", hash } };
  });
}

function effectBehind(kind: string): "call" | "answer" | undefined {
  if (kind === "call") return "call";
  return kind === "answer" ? "answer" : undefined;
}
