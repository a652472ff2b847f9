/**
 * Gives back the space of trimmed records. A stream can only be cut at its old end, so what other shards still need from
 * there is first carried: stated again in a new message. Then a purge message says from where on messages count, and only
 * then are they removed; a crash in between leaves messages nobody reads, until the next trim.
 */
import type { NewRecord } from "@vnes/kernel";
import { encodeControl } from "./control-message.ts";
import type { Entry } from "./frame.ts";
import type { GroupOwner } from "./group-owner.ts";
import type { ServerLink } from "./server-link.ts";
import { ledgerSubject } from "./streams.ts";

/** What is written again to free older messages; more than that waits until its own shard is trimmed. */
const MAX_CARRIED_RECORDS = 1_024;
const MAX_CARRIED_BYTES: number = 1024 * 1024;

/** Drops every message before the one that holds the oldest kept record of `shard`, as far as that is cheap. */
export async function reclaim(link: ServerLink, owner: GroupOwner, shard: string): Promise<void> {
  const { view } = owner;
  const { index } = view.fold;
  const goal = index.runs(shard, index.first(shard), 1)[0]?.at;
  if (goal === undefined) return;
  const carried = await carriedEntries(owner, view.startOf(goal));
  const trimmed = index.partlyTrimmed().map(
    ({ shard: name, first }): Entry => ({
      kind: "trim",
      shard: name,
      seq: first,
    }),
  );
  const entries = [...carried, ...trimmed];
  if (entries.length > 0) await owner.write(entries);
  const earliest = index.earliest();
  if (earliest === undefined) return;
  const from = view.startOf(earliest);
  await owner.control("purge", encodeControl({ kind: "purge", boot: owner.boot, from }));
  const filter = ledgerSubject(link.namespace, view.group, "batch");
  await link.jsm.streams.purge(view.stream, { filter, seq: from });
}

/** Nothing when it would be too much. */
async function carriedEntries({ view }: GroupOwner, goal: number): Promise<readonly Entry[]> {
  const { index } = view.fold;
  const ranges = index.before(goal);
  const records = ranges.reduce((sum, { first, end }) => sum + end - first, 0);
  if (records > MAX_CARRIED_RECORDS) return [];
  const entries: Entry[] = [];
  let bytes = 0;
  for (const { shard, first, end } of ranges) {
    const newest = index.snapshot(shard);
    const stored = await view.read(shard, first, end - first);
    const again = stored.map(
      ({ seq, bytes, hash }): NewRecord =>
        seq === newest ? { bytes, hash, snapshot: true } : { bytes, hash },
    );
    for (const one of again) bytes += one.bytes.length;
    if (bytes > MAX_CARRIED_BYTES) return [];
    entries.push({ kind: "carry", shard, seq: first, records: again });
  }
  return entries;
}
