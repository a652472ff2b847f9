/**
 * A branch: a ledger that starts at another's seq. It is kept in a shard of its own, `branch/<node>/<name>`, as facts of the kernel:
 * what it began with, and every turn it ran.
 *
 * X1. The records of a branch's shard carry no effects; what its turns asked for is inside a fact. So nothing that reads
 *     ledgers (recovery, routers, topics) can take it for something to release.
 * X2. A branch begins with a copy of its parent's keys, timers and calls under way. It refers to no record of its parent, and the
 *     parent to none of its.
 * X3. Its turns are numbered on from the seq it began at, and its effects are named as its parent's would be.
 */
import type { Delivery, Effect, Json } from "@vnes/schemas";
import { topicShard } from "../bus/routing.ts";
import type { Outcome, TurnRecord } from "../ledger/record.ts";
import { sizeOfJson } from "./page.ts";
import { applyRecord, emptyShard, type ShardState, sizeOf, sizeOfKey } from "../ledger/shard-state.ts";

/** On one node: each holds a copy of a state on its disk. */
export const MAX_BRANCHES = 16;
/** A branch is an experiment; one that is longer is a node of its own. */
export const MAX_BRANCH_TURNS = 10_000;
/** Of the JSON of its turns. */
export const MAX_BRANCH_TURNS_SIZE: number = 64 * 1024 * 1024;
/** Of the state it begins with (`ShardState.size`): written down at once, and read again for every look. */
export const MAX_BRANCH_SIZE: number = 16 * 1024 * 1024;
/** Of JSON in one record of the beginning. */
const PART_SIZE: number = 512 * 1024;
export const MAX_BRANCH_NAME = 40;

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

export function isBranchName(name: string): boolean {
  return NAME.test(name);
}

export function branchShard(node: string, name: string): string {
  return `branch/${node}/${name}`;
}

/** Undefined for a shard that is no branch of this node. */
export function branchName(node: string, shard: string): string | undefined {
  const start = branchShard(node, "");
  return shard.startsWith(start) ? shard.slice(start.length) : undefined;
}

export interface BranchBeginning {
  readonly type: "branch.began";
  readonly name: string;
  readonly capsule: string;
  /** Shard of the capsule, and the seq of its last record that the branch shares with it. */
  readonly parent: string;
  readonly from: number;
  readonly at: number;
  /** Hash of the image its turns run. */
  readonly image: string;
  readonly createdAt: number;
}

type Entries<Value> = readonly (readonly [name: string, value: Value])[];
type MapOf<Field extends keyof ShardState> =
  ShardState[Field] extends Map<string, infer Value> ? Value : never;

/** A piece of what the branch began with. A key's `version` is its parent's; `expiresAt` null for never. */
interface BranchPart {
  readonly type: "branch.part";
  readonly keys: readonly (readonly [key: string, value: Json, version: number, expiresAt: number | null])[];
  readonly timers: Entries<MapOf<"timers">>;
  readonly pending: Entries<MapOf<"pending">>;
  readonly open: Entries<MapOf<"open">>;
  /** By topic partition; absent where an older version began the branch. */
  readonly positions?: Entries<MapOf<"positions">>;
}

/** A turn; `fed` is the parent's record it repeats, null when a person gave it. */
interface BranchTurnFact {
  readonly type: "branch.turn";
  readonly fed: number | null;
  readonly record: TurnRecord;
}

/** Time went on, or a record of the parent was passed that is no turn; `seq` is where the branch stands now. */
interface BranchMoved {
  readonly type: "branch.moved";
  readonly fed: number | null;
  readonly seq: number;
  readonly at: number;
}

interface BranchDiscarded {
  readonly type: "branch.discarded";
}

export type BranchFact = BranchBeginning | BranchPart | BranchTurnFact | BranchMoved | BranchDiscarded;

export interface Branch {
  readonly beginning: BranchBeginning;
  /** Named as its parent's (X3). */
  readonly state: ShardState;
  /** Last record of the parent it was fed. */
  fed: number;
  turns: number;
  /** Of the JSON of its turns' records. */
  turnsSize: number;
}

/** Throws `RangeError` with what is wrong, when the facts are not those of a branch. */
export function foldBranch(branch: Branch | undefined, fact: BranchFact): Branch | undefined {
  if (fact.type === "branch.began") {
    const state = emptyShard(fact.parent);
    Object.assign(state, { seq: fact.from, at: fact.at, image: fact.image });
    return { beginning: fact, state, fed: fact.from, turns: 0, turnsSize: 0 };
  }
  if (branch === undefined) throw new RangeError("it begins with something else");
  switch (fact.type) {
    case "branch.part":
      addPart(branch.state, fact);
      return branch;
    case "branch.turn":
      applyRecord(branch.state, fact.record);
      keepPosition(branch.state, fact.record);
      branch.fed = fact.fed ?? branch.fed;
      branch.turns += 1;
      branch.turnsSize += sizeOfJson(fact.record);
      return branch;
    case "branch.moved":
      branch.state.seq = fact.seq;
      branch.state.at = Math.max(branch.state.at, fact.at);
      branch.fed = fact.fed ?? branch.fed;
      return branch;
    case "branch.discarded":
      return undefined;
    default:
      throw new RangeError("it has a fact this version does not know");
  }
}

function addPart(state: ShardState, part: BranchPart): void {
  for (const [key, value, version, expiresAt] of part.keys) {
    state.keys.set(key, value);
    state.versions.set(key, version);
    if (expiresAt !== null) state.expiries.set(key, expiresAt);
    state.size += sizeOfKey(state, key);
  }
  for (const [id, timer] of part.timers) {
    state.timers.set(id, timer);
    state.size += sizeOf(id, timer.payload);
  }
  for (const [id, call] of part.pending) state.pending.set(id, call);
  for (const [id, call] of part.open) state.open.set(id, call);
  for (const [partition, seq] of part.positions ?? []) state.positions.set(partition, seq);
}

/** Deliveries of a branch refer to no partition (X2), so the records say nothing of positions: their events do. */
function keepPosition({ positions }: ShardState, { input }: TurnRecord): void {
  if (input.from === "topic") return;
  const { delivery } = input;
  if (delivery.kind !== "event" && delivery.kind !== "batch") return;
  const seq = delivery.kind === "event" ? delivery.seq : (delivery.events.at(-1)?.seq ?? null);
  if (seq === null) return;
  const partition = topicShard(delivery.topic, delivery.partition);
  // What the parent had next comes with the parent's number, which may be behind the branch's own by then.
  positions.set(partition, Math.max(positions.get(partition) ?? 0, seq));
}

/** The facts a branch begins with (X2). Effects that wait in the parent's outbox are the parent's. */
export function beginningFacts(beginning: BranchBeginning, state: ShardState): readonly BranchFact[] {
  const facts: BranchFact[] = [beginning];
  let part = emptyPart();
  let size = 0;
  const room = (more: unknown): void => {
    const length = sizeOfJson(more);
    if (size > 0 && size + length > PART_SIZE) {
      facts.push(part);
      part = emptyPart();
      size = 0;
    }
    size += length;
  };
  for (const [key, value] of state.keys) {
    const entry = [key, value, state.versions.get(key) ?? 0, state.expiries.get(key) ?? null] as const;
    room(entry);
    part.keys.push(entry);
  }
  for (const name of PART_MAPS) {
    for (const entry of state[name]) {
      room(entry);
      (part[name] as unknown[]).push(entry);
    }
  }
  if (size > 0) facts.push(part);
  return facts;
}

/** What is copied as it is. */
const PART_MAPS = ["timers", "pending", "open", "positions"] as const;

function emptyPart(): { readonly type: "branch.part" } & {
  readonly [Field in "keys" | (typeof PART_MAPS)[number]]: NonNullable<BranchPart[Field]>[number][];
} {
  return { type: "branch.part", keys: [], timers: [], pending: [], open: [], positions: [] };
}

/** A turn of a branch, for whoever looks. */
export interface BranchTurn {
  readonly seq: number;
  readonly at: number;
  readonly fed: number | null;
  readonly delivery: Delivery;
  readonly outcome: Outcome;
  /** What it asked for. Writes are kept in the branch; everything else went nowhere. */
  readonly effects: readonly Effect[];
}

export function branchTurn({ fed, record }: BranchTurnFact): BranchTurn {
  const { seq, at, input, outcome, effects } = record;
  if (input.from === "topic") throw new RangeError("a turn that holds no delivery");
  return { seq, at, fed, delivery: input.delivery, outcome, effects };
}
