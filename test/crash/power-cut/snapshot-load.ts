/**
 * Writes a history with many snapshots and trims to a sqlite ledger, and tells after each record what the state is: one
 * line `seq hash`. Run under the recorder; the state after any cut must be one that was told.
 */
import { createHash } from "node:crypto";
import { setImmediate as nextRound } from "node:timers/promises";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { MemoryClock } from "@vnes/driver-memory";
import { applyRecord, emptyShard } from "../../../kernel/src/ledger/shard-state.ts";
import { Counters } from "../../../kernel/src/runtime/node/counters.ts";
import { ShardLog } from "../../../kernel/src/runtime/ledger/shard-log.ts";
import { ShardSnapshots } from "../../../kernel/src/runtime/ledger/shard-snapshots.ts";
import { Turnstile } from "../../../kernel/src/runtime/shard/turnstile.ts";
import { randomSteps, recordOf } from "../../../kernel/test/harness/random-history.ts";
import { digest } from "../../../kernel/test/harness/shard-harness.ts";
import { plain } from "../../../kernel/test/harness/plain-state.ts";

const [directory = "", seed = "1"] = process.argv.slice(2);
const shard = "a/0";
const store = await openSqliteLedgerStore({ path: `${directory}/ledger.db` });
const state = emptyShard(shard);
const log = new ShardLog({ shard, store, digest, clock: new MemoryClock(), onStall: () => {} }, undefined);
const counters = new Counters();
const snapshots = new ShardSnapshots(
  {
    state,
    log,
    store,
    digest,
    counters,
    policy: { minRecords: 10, minShare: 0 },
    history: { maxRecords: 20, maxAgeMs: 1e12 },
    turnstile: new Turnstile(),
  },
  undefined,
);
const lines: string[] = [];
const tell = (): void => {
  const hash = createHash("sha256")
    .update(JSON.stringify(plain(state)))
    .digest("hex");
  lines.push(`${state.seq} ${hash}`);
};
// Snapshot records are appended between ours: what they leave is told as well.
const append = log.append.bind(log);
log.append = (records) => {
  tell();
  return append(records);
};
for (const step of randomSteps(150, Number(seed))) {
  const record = recordOf(state, step);
  applyRecord(state, record);
  await log.append([record]);
  await nextRound();
}
await snapshots.close();
const made = ["snapshot.taken", "trim.records", "trim.chunks"].map((name) => `${name} ${counters.get(name)}`);
console.log([...lines, ...made].join("\n"));
setInterval(() => {}, 1_000);
