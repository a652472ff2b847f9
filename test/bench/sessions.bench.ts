/**
 * The session store as a node keeps it, from a thousand sessions to a hundred thousand: what a jump costs among them, what one
 * keeps in memory, and durable transitions beside bare appends and beside compare-and-set on a key-value bucket of NATS.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBus } from "@vnes/driver-nats";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import type { LedgerStore } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import { hasNatsServer, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { decodeRecord, type TurnRecord } from "../../kernel/src/ledger/record.ts";
import { sizeOf } from "../../kernel/src/ledger/shard-state.ts";
import { type KeyValue, openKeyValue } from "./key-value.ts";
import { openStore } from "./nats.bench.ts";
import { heapBytes } from "./reachable.ts";
import { atLeast, atMost, type BenchResult, median, show } from "./result.ts";
import { SessionLoad } from "./session-load.ts";
import { bootSessionNode, type BuiltSession, buildSession, SESSION_SHARD } from "./session-node.ts";

const SIZES = [1_000, 10_000, 100_000] as const;
const IN_FLIGHT = 64;
const FILL_IN_FLIGHT = 256;
const WARM_UP = 20_000;
const JUMPS = 10_000;
/** In turns with what they are measured beside, so that a noisy moment meets all of them. */
const ROUNDS = 3;
const ROUND_JUMPS = 5_000;
const ROUND_MS = 700;
/** Sessions of the node whose ledger is on NATS. */
const NATS_SESSIONS = 2_000;
const STATE_MB = 2_048;
/** As many as are different from each other, for stores that compress what is alike. */
const BARE_RECORDS = 4_096;

/** Every transition publishes one event, in this partition. */
const EVENT_SHARD = "topic/vpn.session.v1/0";

const TARGET_GROWTH = 1.5;
const TARGET_BYTES = 1_024;
const TARGET_SHARE = 0.25;

export const name = "sessions";

export const notMeasured: readonly string[] = [
  "a gateway: requests come from this process, and the events on vpn.session.v1 have no subscriber",
  "a network: client, node and nats-server share this machine and its cores",
  "fsync on NATS, which JetStream does after it acknowledged, here and there alike; the embedded ledger waits for it",
  "a million sessions: npm run bench -- sessions-million",
];

export async function run(): Promise<readonly BenchResult[]> {
  if (!hasNatsServer()) throw new Error("there is no nats-server: apt-get install nats-server");
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-sessions-"));
  try {
    const built = await buildSession();
    await warmUp(built, join(directory, "warm.sqlite"));
    return [...(await embedded(built, directory)), ...(await onNats(built))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** In a node of its own, so that the first size is not the compiler's. */
async function warmUp(built: BuiltSession, path: string): Promise<void> {
  await using warm = await bootSessionNode(built, path, { maxSessions: 1_000, stateMb: STATE_MB });
  const load = new SessionLoad(warm);
  await load.fill(0, 1_000, FILL_IN_FLIGHT);
  await load.reattach(WARM_UP, 1_000, IN_FLIGHT);
}

async function embedded(built: BuiltSession, directory: string): Promise<readonly BenchResult[]> {
  const path = join(directory, "ledger.sqlite");
  const maxSessions = SIZES.at(-1) ?? 0;
  await using sessions = await bootSessionNode(built, path, { maxSessions, stateMb: STATE_MB });
  const load = new SessionLoad(sessions);
  const results: BenchResult[] = [];
  const heaps: number[] = [];
  let before = 0;
  let first: number | undefined;
  for (const size of SIZES) {
    const among = `among ${size.toLocaleString("en")} sessions`;
    const filled = await load.fill(before, size, FILL_IN_FLIGHT);
    before = size;
    const jumps = await load.reattach(JUMPS, size, IN_FLIGHT);
    const alone = await load.reattach(JUMPS / 20, size, 1);
    heaps.push(heapBytes());
    const cost = jumps.kernelUs + jumps.hostUs;
    first ??= cost;
    const metric = `processor time of a reattach ${among}, kernel ${show(jumps.kernelUs)} and host ${show(jumps.hostUs)} µs`;
    const peer = { name: "among 1,000", value: first };
    const flat = { peer, target: atMost(cost, TARGET_GROWTH * first, "µs") };
    results.push(
      { metric, value: cost, unit: "µs", ...(size === SIZES[0] ? {} : flat) },
      { metric: `reattaches a second and core ${among}`, value: 1_000_000 / cost, unit: "1/s" },
      { metric: `reattaches a second ${among}, ${IN_FLIGHT} in flight`, value: jumps.perSecond, unit: "1/s" },
      { metric: `  one of them, median`, value: jumps.p50Ms, unit: "ms" },
      { metric: `  one of them, 99 of 100 within`, value: jumps.p99Ms, unit: "ms" },
      { metric: `a reattach alone ${among}, median`, value: alone.p50Ms, unit: "ms" },
      { metric: `  99 of 100 within`, value: alone.p99Ms, unit: "ms" },
      {
        metric: `sessions made and attached a second, up to ${size.toLocaleString("en")}`,
        value: filled.perSecond,
        unit: "1/s",
      },
    );
  }
  results.push(...(await bytes(sessions.ledger, heaps)));
  results.push(...(await besideAppends(load, sessions.ledger, directory)));
  return results;
}

/** Of sessions that were made, attached, and have jumped about once in ten. */
async function bytes(ledger: LedgerStore, heaps: readonly number[]): Promise<readonly BenchResult[]> {
  const [from, to] = [SIZES.at(-2) ?? 0, SIZES.at(-1) ?? 0];
  const heap = ((heaps.at(-1) ?? 0) - (heaps.at(-2) ?? 0)) / (to - from);
  const turn = await latestTurn(ledger);
  const write = turn.effects.find((effect) => effect.do === "write" && effect.key.startsWith("ses/"));
  if (write?.do !== "write") throw new Error("the latest turn wrote no session");
  const record = JSON.stringify(write.value).length;
  const counted = sizeOf(write.key, write.value);
  const unit = "bytes";
  return [
    {
      metric: "record of a session that was attached and has jumped",
      value: record,
      unit,
      target: atMost(record, TARGET_BYTES, unit),
    },
    {
      metric: "  with its name and 96 of state_mb (K5), its owner's key and timer aside",
      value: counted,
      unit,
    },
    {
      metric: `memory of the node for a session, its owner's key and timer included, from ${from.toLocaleString("en")} to ${to.toLocaleString("en")}`,
      value: heap,
      unit,
      target: atMost(heap, TARGET_BYTES, unit),
    },
  ];
}

async function besideAppends(
  load: SessionLoad,
  ledger: LedgerStore,
  directory: string,
): Promise<readonly BenchResult[]> {
  const records = await transitionRecords(ledger);
  await using bare = await openSqliteLedgerStore({ path: join(directory, "bare.sqlite") });
  await using servers = await startNatsServers({ count: 1 });
  await using bucket = await openKeyValue(servers.urls);
  const others = { append: appender(bare, records.turns), appendBoth: appenderOfBoth(bare, records), bucket };
  return await besideOthers("embedded ledger", () => load.reattach(ROUND_JUMPS, SIZES[1], IN_FLIGHT), others);
}

async function onNats(built: BuiltSession): Promise<readonly BenchResult[]> {
  await using servers = await startNatsServers({ count: 1 });
  await using bus = await openBus({ servers: servers.urls, node: "test" });
  await using sessions = await bootSessionNode(built, await openStore(bus, "sessions"), {
    maxSessions: NATS_SESSIONS,
    stateMb: STATE_MB,
  });
  const load = new SessionLoad(sessions);
  await load.fill(0, NATS_SESSIONS, FILL_IN_FLIGHT);
  const records = await transitionRecords(sessions.ledger);
  await using bareBus = await openBus({ servers: servers.urls, node: "bare" });
  await using bare = await openStore(bareBus, "bare");
  await using bucket = await openKeyValue(servers.urls);
  const others = { append: appender(bare, records.turns), appendBoth: appenderOfBoth(bare, records), bucket };
  return await besideOthers(
    "ledger on NATS",
    () => load.reattach(ROUND_JUMPS, NATS_SESSIONS, IN_FLIGHT),
    others,
  );
}

/** What transitions are measured beside: each makes a round and says how many a second there were. */
interface Others {
  readonly append: () => Promise<number>;
  readonly appendBoth: () => Promise<number>;
  readonly bucket: KeyValue;
}

/** In turns, so that all of them meet the same machine. */
async function besideOthers(
  where: string,
  jump: () => Promise<{ readonly perSecond: number }>,
  { append, appendBoth, bucket }: Others,
): Promise<readonly BenchResult[]> {
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

async function latestTurn(ledger: LedgerStore): Promise<TurnRecord> {
  const last = await ledger.lastSeq(SESSION_SHARD);
  const records = await ledger.read(SESSION_SHARD, Math.max(1, last - 63), 64);
  for (const { seq, bytes } of [...records].reverse()) {
    const record = decodeRecord(SESSION_SHARD, seq, bytes);
    if (record.kind === "turn" && record.effects.some((effect) => effect.do === "write")) return record;
  }
  throw new Error("no turn was recorded");
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
