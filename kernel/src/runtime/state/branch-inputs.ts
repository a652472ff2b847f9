/** What a branch can be given, made into deliveries: a person's call or event, checked like any, or what its parent was delivered. */
import { type Delivery, type Json, type Manifest, subscriptionsOf } from "@vnes/schemas";
import { providedBy } from "../../bus/capabilities.ts";
import { topicShard } from "../../bus/routing.ts";
import { eventProblem, isDurable, partitionOf } from "../../bus/topics.ts";
import type { LedgerRecord } from "../../ledger/record.ts";
import type { Branch } from "../../state/branch.ts";
import { sizeOfJson } from "../../state/page.ts";
import { stateErrors } from "../../state/errors.ts";
import type { Switchboard } from "../node/router.ts";
import { type Walk, walkShard } from "../ledger/shard-walk.ts";

/** For the capsule to see; nobody waits in a branch. */
const CALL_TIMEOUT_MS = 60_000;
/** Records fed, and turns that come due, in one request: a few seconds of work. */
export const MAX_RUN_TURNS = 1_000;
/** Of the JSON of what one request reads of the parent, and of what it makes the branch record: held in memory meanwhile. */
export const MAX_RUN_SIZE: number = 16 * 1024 * 1024;

export type BranchInput =
  | { readonly do: "call"; readonly capability: string; readonly method: string; readonly input: Json }
  | { readonly do: "event"; readonly topic: string; readonly key: string; readonly event: Json }
  /** What the parent was delivered, from where the branch stands; `to` is a seq of the parent, default its last. */
  | { readonly do: "feed"; readonly to?: number }
  /** Time stands still in a branch until it is told to go on; what comes due on the way runs. */
  | { readonly do: "advance"; readonly ms: number };

type Given<Kind extends BranchInput["do"]> = Extract<BranchInput, { do: Kind }>;

/** Throws `BRANCH_INPUT_INVALID`. */
export function callDelivery(
  { beginning, state, turns }: Branch,
  { capability, method, input }: Given<"call">,
  { capabilities }: Pick<Switchboard, "capabilities">,
): Delivery {
  const { name, capsule } = beginning;
  const invalid = (problem: string): Error =>
    stateErrors.create("BRANCH_INPUT_INVALID", { name, capsule, problem });
  const found = providedBy(capabilities.get(capability), capsule);
  if (found === undefined) throw invalid(`it does not provide ${capability}`);
  const definition = found.methods.get(method);
  if (definition === undefined) throw invalid(`${capability} has no method ${method}`);
  const [problem] = definition.input(input);
  if (problem !== undefined)
    throw invalid(`${capability}.${method} refuses ${problem.pointer || "/"}: ${problem.message}`);
  const callId = `branch/${name}:${turns + 1}:0`;
  const deadlineAt = state.at + CALL_TIMEOUT_MS;
  return { kind: "call", callId, capability, method, input, caller: "control", deadlineAt };
}

/**
 * An event that is in no partition. It has the seq behind the last one the branch was delivered of that partition, null where the
 * topic keeps none. Throws `BRANCH_INPUT_INVALID`.
 */
export function eventDelivery(
  { beginning, state }: Branch,
  { topic, key, event }: Given<"event">,
  { topics }: Pick<Switchboard, "topics">,
  manifest: Manifest,
): Delivery {
  const { name, capsule } = beginning;
  const invalid = (problem: string): Error =>
    stateErrors.create("BRANCH_INPUT_INVALID", { name, capsule, problem });
  const found = topics.get(topic);
  const subscription = subscriptionsOf(manifest).find((one) => one.topic === topic);
  if (found === undefined || subscription === undefined) throw invalid(`it does not subscribe to ${topic}`);
  const problem = eventProblem(found, event);
  if (problem !== undefined) throw invalid(`${topic} refuses ${problem.pointer || "/"}: ${problem.message}`);
  const partition = partitionOf(found, key, event);
  const seq = isDurable(found) ? (state.positions.get(topicShard(topic, partition)) ?? 0) + 1 : null;
  if (subscription.batch === undefined) return { kind: "event", topic, partition, seq, key, event };
  return { kind: "batch", topic, partition, events: [{ seq, key, event }] };
}

/** Records of the parent after the last one the branch was fed: a number and a size of them that one request can take. */
export async function recordsToFeed(
  walk: Walk,
  { fed }: Branch,
  to: number | undefined,
): Promise<readonly LedgerRecord[]> {
  const last = await walk.store.lastSeq(walk.shard);
  if (to !== undefined && to > last)
    throw stateErrors.create("STATE_SEQ_UNKNOWN", { shard: walk.shard, seq: to, last });
  const records: LedgerRecord[] = [];
  let size = 0;
  await walkShard(walk, { from: fed, through: to ?? last }, (record) => {
    if (record.seq <= fed) return true;
    records.push(record);
    size += sizeOfJson(record);
    return records.length < MAX_RUN_TURNS && size < MAX_RUN_SIZE;
  });
  return records;
}
