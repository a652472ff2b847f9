/**
 * A million sessions on one node. Making them takes minutes, so a run goes on where the one before stopped, in a ledger that it
 * leaves under `bench-results/`; the run that finds all of them there boots them, measures, and clears the ledger away.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { heapBytes } from "./reachable.ts";
import { atMost, type BenchResult } from "./result.ts";
import { SessionLoad } from "./session-load.ts";
import { bootSessionNode, buildSession, type SessionNode } from "./session-node.ts";

const SESSIONS = 1_000_000;
const STATE_MB = 4_096;
const PIECE = 10_000;
/** Of one run: several people share a machine. */
const FILL_MS = 180_000;
const FILL_IN_FLIGHT = 256;
const IN_FLIGHT = 64;
const JUMPS = 20_000;
const TARGET_BYTES = 1_024;

export const name = "sessions-million";

/** Minutes: only when it is named. */
export const isLong = true;

export const notMeasured: readonly string[] = [
  "a gateway, and subscribers of vpn.session.v1",
  "the sizes below, beside which this is to be read: npm run bench -- sessions",
];

export async function run(): Promise<readonly BenchResult[]> {
  const directory = fileURLToPath(new URL("../../bench-results", import.meta.url));
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "sessions-million.sqlite");
  const built = await buildSession();
  const heapBefore = heapBytes();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await using sessions = await bootSessionNode(built, path, { maxSessions: SESSIONS, stateMb: STATE_MB });
  const bootMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  const load = new SessionLoad(sessions);
  const made = await liveSessions(sessions);
  if (made < SESSIONS) return [await fill(sessions, load, made)];
  const held = heapBytes() - heapBefore;
  const rss = process.memoryUsage().rss;
  await load.meet(Array.from({ length: 1_000 }, (_, client) => client));
  const warm = await load.reattach(JUMPS, SESSIONS, IN_FLIGHT);
  load.forget();
  const clients = Array.from({ length: JUMPS }, () => Math.floor(Math.random() * SESSIONS));
  await load.meet(clients);
  const jumps = await load.reattachOf(clients, IN_FLIGHT);
  const alone = await load.reattachOf(clients.slice(0, 1_000), 1);
  const cost = jumps.kernelUs + jumps.hostUs;
  const page = await listMs(sessions);
  const heap = held / SESSIONS;
  rmSync(path, { force: true });
  const among = "among 1,000,000 sessions";
  return [
    { metric: "boot of a node with 1,000,000 sessions", value: bootMs / 1_000, unit: "s" },
    { metric: "  processor time", value: (user + system) / 1_000_000, unit: "s" },
    { metric: "memory of the node's process, all of it", value: rss / 2 ** 20, unit: "MB" },
    {
      metric: "memory for a session, its owner's key and timer included",
      value: heap,
      unit: "bytes",
      target: atMost(heap, TARGET_BYTES, "bytes"),
    },
    {
      metric: `sessions asked for and moved a second ${among}, ${IN_FLIGHT} in flight`,
      value: warm.perSecond,
      unit: "1/s",
    },
    { metric: `processor time of a reattach ${among}`, value: cost, unit: "µs" },
    { metric: `reattaches a second ${among}, ${IN_FLIGHT} in flight`, value: jumps.perSecond, unit: "1/s" },
    { metric: "  one of them, median", value: jumps.p50Ms, unit: "ms" },
    { metric: "  one of them, 99 of 100 within", value: jumps.p99Ms, unit: "ms" },
    { metric: `a reattach alone ${among}, median`, value: alone.p50Ms, unit: "ms" },
    { metric: "  99 of 100 within", value: alone.p99Ms, unit: "ms" },
    { metric: `a page of 50 of the list ${among}`, value: page, unit: "ms" },
  ];
}

async function fill(sessions: SessionNode, load: SessionLoad, made: number): Promise<BenchResult> {
  const until = performance.now() + FILL_MS;
  const startedAt = performance.now();
  let count = made;
  while (count < SESSIONS && performance.now() < until) {
    const to = Math.min(SESSIONS, count + PIECE);
    await load.fill(count, to, FILL_IN_FLIGHT);
    count = to;
    load.forget();
  }
  const perSecond = ((count - made) * 1_000) / (performance.now() - startedAt);
  const rest = count < SESSIONS ? "run it again to go on" : "run it again to measure";
  const metric = `sessions made and attached a second, up to ${(await liveSessions(sessions)).toLocaleString("en")}: ${rest}`;
  return { metric, value: perSecond, unit: "1/s" };
}

async function liveSessions({ node }: SessionNode): Promise<number> {
  const answer = await node.call("vpn.session", "list", { limit: 1 }, 60_000);
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return (answer.value as { readonly counters: { readonly live: number } }).counters.live;
}

async function listMs({ node }: SessionNode): Promise<number> {
  const startedAt = performance.now();
  const answer = await node.call("vpn.session", "list", { limit: 50, after: "ses_0azzz" }, 60_000);
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return performance.now() - startedAt;
}
