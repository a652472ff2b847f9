/** Recorded turns run again by a replay, reading and comparing included, beside bare isolated-vm calls that do the same work. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { type CapsuleImage, type LedgerStore, replayShard, type Sandbox } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { TurnRequest } from "@vnes/schemas";
import { bundleSource, imageOf, LIMITS } from "../../kernel/drivers/isolate/test/bundle.ts";
import { MemoryClock } from "@vnes/driver-memory";
import type { LedgerRecord } from "../../kernel/src/ledger/record.ts";
import { ShardLog } from "../../kernel/src/runtime/ledger/shard-log.ts";
import type { BareCosts, BareRequest } from "./isolate-bare.ts";
import { atLeast, type BenchResult, median } from "./result.ts";

const TURNS = 40_000;
const BATCH = 64;
const ROUNDS = 5;
const BARE_ROUND_MS = 400;
const SHARD = "bench.turn/0";
/** About 1 KB of JSON each way, as in the bench of isolates. */
const INPUT = { session: "ses_0123456789abcdefghjk", note: "x".repeat(900), path: 7 };
const SPEC = {
  language: "javascript",
  entry: "impl/main.js",
  zone: "system",
  limits: { ...LIMITS, turnMs: 1_000 },
} as const;

export const name = "replay";

export const notMeasured: readonly string[] = [
  "the host's processor time: beside the kernel's, on a core of its own where there is one",
  "events looked up in other shards: every input is in its record",
  "a core for each process: the kernel's side of the replay and the sandbox host share what the machine has",
  "a state too large to hand over at once: the capsule keeps one key",
];

const SOURCE = `
import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "bench.turn": (turn, input) => {
      turn.keys.set("n", (turn.keys.get("n") ?? 0) + 1);
      return input;
    },
  },
});
`;

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-replay-"));
  try {
    await using ledger = await openSqliteLedgerStore({ path: join(directory, "ledger.sqlite") });
    await using sandbox = openHostSandbox(isolateExecutor);
    const image = imageOf(await bundleSource(SOURCE));
    await record(ledger, sandbox, image);
    const parts = {
      ledger,
      sandbox,
      digest: nodeDigest,
      shard: SHARD,
      imageOf: async () => image,
      specOf: () => SPEC,
    };
    const bare = await startBare();
    const ours: number[] = [];
    const beside: number[] = [];
    const inKernel: number[] = [];
    // In turns, so that a neighbour's noise meets both.
    for (let round = 0; round < ROUNDS; round++) {
      beside.push(1_000_000 / (await bareCosts(bare)).inOneCall);
      const usedBefore = process.cpuUsage();
      const startedAt = performance.now();
      const report = await replayShard(parts);
      if (report.difference !== null || report.turns !== TURNS) throw new Error(JSON.stringify(report));
      ours.push((TURNS * 1_000) / (performance.now() - startedAt));
      const { user, system } = process.cpuUsage(usedBefore);
      inKernel.push((user + system) / TURNS);
    }
    bare.kill();
    const [value, peer] = [median(ours), median(beside)];
    return [
      {
        metric: `turns of 1 KB run again, of ${TURNS.toLocaleString("en")} recorded ones, the start of a host included`,
        value,
        unit: "turns/s",
        peer: { name: `bare isolated-vm, ${BATCH} in one call`, value: peer },
        target: atLeast(value, 0.5 * peer, "turns/s (half of the bare call)"),
      },
      {
        metric: "processor time of the kernel for such a turn: read, checked, folded, compared",
        value: median(inKernel),
        unit: "µs",
        peer: { name: "the bare call, whole", value: 1_000_000 / peer },
      },
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs the turns once and records what came of them. */
async function record(ledger: LedgerStore, sandbox: Sandbox, image: CapsuleImage): Promise<void> {
  const clock = new MemoryClock();
  const log = new ShardLog(
    { shard: SHARD, store: ledger, digest: nodeDigest, clock, onStall: () => {} },
    undefined,
  );
  const at = clock.now();
  await log.append([{ v: 1, kind: "activation", seq: 1, at, image: image.hash, version: "1.0.0" }]);
  const instance = await sandbox.open({ ...SPEC, instance: SHARD, image, group: "record" });
  for (let done = 0; done < TURNS; ) {
    const batch = requests(Math.min(BATCH, TURNS - done), done, at);
    const [first, ...rest] = batch;
    if (done === 0 && first !== undefined) batch[0] = { ...first, keys: [["n"]], ranges: [""] };
    const results = await instance.deliver(done === 0 ? [batch[0] as TurnRequest, ...rest] : batch);
    const records = results.map((result, index): LedgerRecord => {
      if (result.kind !== "done") throw new Error(JSON.stringify(result));
      const { delivery, seed, turn } = batch[index] as TurnRequest;
      const seq = turn + 1;
      const input = { from: "control", depth: 0, delivery } as const;
      return {
        v: 1,
        kind: "turn",
        seq,
        at,
        seed,
        input,
        outcome: "ok",
        effects: result.effects,
        released: seq - 1,
      };
    });
    await log.append(records);
    done += batch.length;
  }
  await instance.dispose();
}

function requests(count: number, done: number, at: number): TurnRequest[] {
  return Array.from({ length: count }, (_, index) => {
    const turn = done + index + 1;
    const delivery = {
      kind: "call",
      callId: `control/bench:${turn}:0`,
      capability: "bench",
      method: "turn",
      input: INPUT,
      caller: "control",
      deadlineAt: at + 5_000,
    } as const;
    return { turn, at, seed: "0011223344556677", delivery };
  });
}

async function startBare(): Promise<ChildProcess> {
  const bare = fork(new URL("./isolate-bare.ts", import.meta.url), {
    execArgv: ["--no-node-snapshot", "--conditions=source"],
  });
  bare.send({ text: "[]" } satisfies BareRequest);
  await once(bare, "message");
  return bare;
}

async function bareCosts(bare: ChildProcess): Promise<BareCosts> {
  const measure = { requests: requests(BATCH, 0, 1_000), roundMs: BARE_ROUND_MS };
  bare.send({ measure } satisfies BareRequest);
  const [costs] = (await once(bare, "message")) as [BareCosts];
  return costs;
}
