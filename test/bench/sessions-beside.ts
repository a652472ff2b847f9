/**
 * Durable transitions of sessions beside what they are made of: appends of the same records to a store of the same kind, and
 * compare-and-set on a key-value bucket of NATS. In turns, so that a noisy moment meets all of them.
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
}

/** `jump` makes a round of transitions and says how many a second there were. */
export async function besideOthers(
  where: string,
  jump: () => Promise<{ readonly perSecond: number }>,
  { ledger, bare, bucket }: Others,
): Promise<readonly BenchResult[]> {
  const records = await transitionRecords(ledger);
  const append = appender(bare, records.turns);
  const appendBoth = appenderOfBoth(bare, records);
  const ours: number[] = [];
  const appended: number[] = [];
  const both: number[] = [];
  const set: number[] = [];
  const moved: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push((await jump()).perSecond);
    appended.push(await append());
    both.push(await appendBoth());
    set.push(await rate((writer) => bucket.update(writer)));
    moved.push(await rate((writer) => bucket.move(writer)));
  }
  return besideRows(where, median(ours), [
    {
      name: `bare appends of the same records, ${IN_FLIGHT} in flight`,
      value: median(appended),
      share: TARGET_SHARE,
    },
    {
      name: `both records of a transition appended bare, the turn's and the event's, ${IN_FLIGHT} in flight`,
      value: median(both),
    },
    {
      name: `kv.update of ${bucket.bytes} B by revision, ${IN_FLIGHT} in flight`,
      value: median(set),
      share: 1,
    },
    {
      name: `kv.get, kv.update and a publish of the event, ${IN_FLIGHT} in flight`,
      value: median(moved),
      share: 1,
    },
  ]);
}

function besideRows(
  where: string,
  value: number,
  peers: readonly { readonly name: string; readonly value: number; readonly share?: number }[],
): readonly BenchResult[] {
  const unit = "1/s";
  return peers.map(({ share, ...peer }) => {
    const metric = `durable session transitions, ${IN_FLIGHT} in flight, ${where}`;
    const row = { metric, value, unit, peer };
    return share === undefined ? row : { ...row, target: atLeast(value, share * peer.value, unit) };
  });
}

/** Writers that append to one shard, as the turns of one capsule do: the records that such turns made. */
function appender(store: LedgerStore, records: readonly Uint8Array[]): () => Promise<number> {
  const append = appendTo(store, "bench.bare/0", records);
  return () => rate(append);
}

/** The same for all that a transition makes durable: its event has a record of its own, in the shard of its topic. */
function appenderOfBoth(store: LedgerStore, { turns, events }: TransitionRecords): () => Promise<number> {
  const appends = [appendTo(store, "bench.both/0", turns), appendTo(store, "bench.events/0", events)];
  return () =>
    rate(async () => {
      await Promise.all(appends.map((append) => append()));
    });
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
