/**
 * Durable transitions of sessions beside what they are made of: appends of the same records to a store of the same kind, and
 * compare-and-set on a key-value bucket of NATS, by default and where its server brings each update to the disk before it answers, as
 * the embedded ledger does. In turns, so that a noisy moment meets all of them.
 */
import type { LedgerStore } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { KeyValue } from "./key-value.ts";
import { atLeast, type BenchResult, median } from "./result.ts";
import { SESSION_SHARD } from "./session-node.ts";

export const IN_FLIGHT = 64;
const ROUNDS = 3;
const ROUND_MS = 700;
/** As many as are different from each other, for stores that compress what is alike. */
const BARE_RECORDS = 4_096;
const TARGET_SHARE = 0.25;

/** Every transition publishes one event, in this partition. */
const EVENT_SHARD = "topic/vpn.session.v1/0";

/** `ledger` has the transitions; `bare` is empty and takes their records again. */
interface Others {
  readonly ledger: LedgerStore;
  readonly bare: LedgerStore;
  readonly bucket: KeyValue;
  /** On a server that syncs each update; undefined where there is none. */
  readonly syncedBucket?: KeyValue | undefined;
}

/** What transitions stand beside; `share` of its rate is the target. */
interface Peer {
  readonly name: string;
  readonly share?: number;
  readonly work: (writer: number) => Promise<void>;
}

/** `jump` makes a round of transitions and says how many a second there were. */
export async function besideOthers(
  where: string,
  jump: () => Promise<{ readonly perSecond: number }>,
  others: Others,
): Promise<readonly BenchResult[]> {
  const peers = peersOf(others, await transitionRecords(others.ledger));
  const ours: number[] = [];
  const theirs = peers.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    ours.push((await jump()).perSecond);
    for (const [index, { work }] of peers.entries()) theirs[index]?.push(await rate(work));
  }
  const [metric, unit] = [`durable session transitions, ${IN_FLIGHT} in flight, ${where}`, "1/s"];
  const value = median(ours);
  return peers.map(({ name, share }, index) => {
    const peer = { name: `${name}, ${IN_FLIGHT} in flight`, value: median(theirs[index] ?? []) };
    const row = { metric, value, unit, peer };
    return share === undefined ? row : { ...row, target: atLeast(value, share * peer.value, unit) };
  });
}

function peersOf(
  { bare, bucket, syncedBucket }: Others,
  { turns, events }: TransitionRecords,
): readonly Peer[] {
  // One shard, as the turns of one capsule have; an event has a record of its own, in the shard of its topic.
  const both = [appendTo(bare, "bench.both/0", turns), appendTo(bare, "bench.events/0", events)];
  const synced = syncedBucket === undefined ? [] : [updates(syncedBucket, ", each brought to the disk")];
  return [
    {
      name: "bare appends of the same records",
      share: TARGET_SHARE,
      work: appendTo(bare, "bench.bare/0", turns),
    },
    {
      name: "both records of a transition appended bare, the turn's and the event's",
      work: async () => void (await Promise.all(both.map((append) => append()))),
    },
    ...synced,
    updates(bucket, ""),
    {
      name: "kv.get, kv.update and a publish of the event",
      share: 1,
      work: (writer) => bucket.move(writer),
    },
  ];
}

function updates(bucket: KeyValue, how: string): Peer {
  return {
    name: `kv.update of ${bucket.bytes} B by revision${how}`,
    share: 1,
    work: (writer) => bucket.update(writer),
  };
}

function appendTo(store: LedgerStore, shard: string, records: readonly Uint8Array[]): () => Promise<void> {
  const hashed = records.map((bytes) => ({ bytes, hash: nodeDigest.sha256(bytes) }));
  let seq = 0;
  return async () => {
    const record = hashed[seq % hashed.length];
    if (record === undefined) throw new Error(`${shard}: no records to append`);
    await store.append(shard, seq++, [record]);
  };
}

async function rate(work: (writer: number) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  const writer = async (number: number): Promise<void> => {
    while (performance.now() - startedAt < ROUND_MS) {
      await work(number);
      done++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, number) => writer(number)));
  return (done * 1_000) / (performance.now() - startedAt);
}

/** What transitions leave in the ledger, one record of each kind for each of them. */
interface TransitionRecords {
  readonly turns: readonly Uint8Array[];
  readonly events: readonly Uint8Array[];
}

async function transitionRecords(ledger: LedgerStore): Promise<TransitionRecords> {
  return {
    turns: await latestRecords(ledger, SESSION_SHARD),
    events: await latestRecords(ledger, EVENT_SHARD),
  };
}

async function latestRecords(ledger: LedgerStore, shard: string): Promise<readonly Uint8Array[]> {
  const last = await ledger.lastSeq(shard);
  const from = Math.max(1, last - BARE_RECORDS + 1);
  return (await ledger.read(shard, from, BARE_RECORDS)).map(({ bytes }) => bytes);
}
