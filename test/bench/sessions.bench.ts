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
import { isVersionAtLeast } from "../../kernel/drivers/nats/src/connection.ts";
import { hasNatsServer, startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { decodeRecord, type TurnRecord } from "../../kernel/src/ledger/record.ts";
import { sizeOf } from "../../kernel/src/ledger/shard-state.ts";
import { openKeyValue } from "./key-value.ts";
import { openStore } from "./nats.bench.ts";
import { heapBytes } from "./reachable.ts";
import { atMost, type BenchResult, show } from "./result.ts";
import { type Cost, SessionLoad } from "./session-load.ts";
import { bootSessionNode, type BuiltSession, buildSession, SESSION_SHARD } from "./session-node.ts";
import { besideOthers, IN_FLIGHT } from "./sessions-beside.ts";

const SIZES = [1_000, 10_000, 100_000] as const;
const FILL_IN_FLIGHT = 256;
const WARM_UP = 20_000;
const JUMPS = 10_000;
const ROUND_JUMPS = 5_000;
/** The oldest nats-server that knows `sync_interval: always`. */
const SYNCS_FROM = "2.10.0";
/** Sessions of the node whose ledger is on NATS. */
const NATS_SESSIONS = 2_000;
const STATE_MB = 2_048;

const TARGET_GROWTH = 1.5;
const TARGET_BYTES = 1_024;

export const name = "sessions";

export const notMeasured: readonly string[] = [
  "a gateway: requests come from this process, and the events on vpn.session.v1 have no subscriber",
  "a network: client, node and nats-server share this machine and its cores",
  "fsync on NATS but in the rows that say so: JetStream does it after it acknowledged, here and there alike; the embedded ledger waits for it",
  "kv.update that is brought to the disk, where nats-server is older than 2.10; VNES_NATS_SERVER names another one",
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
  await using bare = await openSqliteLedgerStore({ path: join(directory, "bare.sqlite") });
  await using servers = await startNatsServers({ count: 1 });
  await using bucket = await openKeyValue(servers.urls);
  const canSync = isVersionAtLeast(servers.version, SYNCS_FROM);
  await using syncing = canSync ? await startNatsServers({ count: 1, syncs: true }) : undefined;
  await using syncedBucket = syncing && (await openKeyValue(syncing.urls));
  const jump = (): Promise<Cost> => load.reattach(ROUND_JUMPS, SIZES[1], IN_FLIGHT);
  return await besideOthers("embedded ledger", jump, { ledger, bare, bucket, syncedBucket });
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
  await using bareBus = await openBus({ servers: servers.urls, node: "bare" });
  await using bare = await openStore(bareBus, "bare");
  await using bucket = await openKeyValue(servers.urls);
  const jump = (): Promise<Cost> => load.reattach(ROUND_JUMPS, NATS_SESSIONS, IN_FLIGHT);
  return await besideOthers("ledger on NATS", jump, { ledger: sessions.ledger, bare, bucket });
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
