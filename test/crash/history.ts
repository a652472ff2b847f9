/**
 * The whole history of a crash run: the ledger the last node left, against the rules of `test/history` and against what was
 * acknowledged. Counts say that nothing is missing or doubled; this says that it came the way it had to.
 */
import type { Digest, LedgerStore, StoredRecord } from "@vnes/kernel";
import { nodeDigest, readImage } from "@vnes/registry";
import { checkAcknowledged } from "../history/acknowledged.ts";
import { checkLedger } from "../history/check.ts";
import type { Operation } from "../history/operation.ts";
import { describeProblem } from "../history/problem.ts";
import { topologyFrom } from "../history/topology-of-images.ts";
import type { Acknowledgements } from "./acknowledgements.ts";

const PAGE = 1_024;
const COUNTING = new Map([
  ["crash.intake", ["own/", "noted/"]],
  ["crash.tally", ["topic/", "call/"]],
]);

export interface CrashHistory {
  readonly records: number;
  readonly problems: readonly string[];
  /** Shards whose oldest records were dropped on the way: what is gone cannot be checked, so nothing is. */
  readonly trimmed: readonly string[];
}

/** `capsules` are the directories whose topics are followed. The node must have had time to come to rest before it ended. */
export async function checkHistory(
  ledger: LedgerStore,
  capsules: readonly string[],
  sent: ReturnType<Acknowledgements["all"]>,
): Promise<CrashHistory> {
  const stored = new Map<string, readonly StoredRecord[]>();
  let records = 0;
  for (const shard of await ledger.shards()) {
    const all = await readAll(ledger, shard);
    records += all.length;
    stored.set(shard, all);
  }
  const trimmed = [...stored]
    .filter(([, [first]]) => first !== undefined && first.seq > 1)
    .map(([shard]) => shard);
  if (trimmed.length > 0) return { records, problems: [], trimmed };
  const topology = topologyFrom(await Promise.all(capsules.map((directory) => readImage(directory))));
  const digest: Digest = nodeDigest;
  // No timer is set in this run.
  const { ledger: history, problems } = checkLedger(stored, {
    digest,
    topology,
    quietAt: 0,
    counting: COUNTING,
    distinct: new Set(),
  });
  const operations = [...sent.sent].map((id) => operationOf(id, sent.acknowledged.has(id)));
  return {
    records,
    problems: [...problems, ...checkAcknowledged(history, operations)].map(describeProblem),
    trimmed,
  };
}

function operationOf(id: string, isAcknowledged: boolean): Operation {
  const begun = { client: "load", name: "crash.intake.add", input: { id }, invokedAt: 0 };
  return isAcknowledged ? { ...begun, end: { at: 0, answer: { ok: true, value: { id } } } } : begun;
}

async function readAll(ledger: LedgerStore, shard: string): Promise<readonly StoredRecord[]> {
  const all: StoredRecord[] = [];
  for (;;) {
    const page = await ledger.read(shard, (all.at(-1)?.seq ?? 0) + 1, PAGE);
    for (const record of page) all.push(record);
    if (page.length < PAGE) return all;
  }
}
