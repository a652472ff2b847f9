/**
 * Recorded turns run again, beside bare isolated-vm calls that do the same work: by a whole replay, reading and checking
 * included; and by the sandbox alone, from texts in memory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import {
  type CapsuleImage,
  type LedgerStore,
  type RepeatedBatch,
  replayShard,
  type Sandbox,
  type StoredRecord,
} from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { TurnRequest } from "@vnes/schemas";
import { LIMITS } from "../../kernel/contracts/sandbox-lab.ts";
import { bundleSource, imageOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { MemoryClock } from "@vnes/driver-memory";
import type { LedgerRecord } from "../../kernel/src/ledger/record.ts";
import { ShardLog } from "../../kernel/src/runtime/ledger/shard-log.ts";
import { ReplayLot } from "../../kernel/src/runtime/replay/replay-lot.ts";
import { ReplayTurn } from "../../kernel/src/runtime/replay/replay-turn.ts";
import { BareIsolate } from "./bare-isolate.ts";
import { processorUs } from "./processor-time.ts";
import { atLeast, type BenchResult, median } from "./result.ts";
import { INPUT } from "./turn-requests.ts";
import { COUNTER } from "./turn-time.ts";

const TURNS = 100_000;
const BATCH = 64;
/** Of the sandbox alone. */
const LOTS_IN_FLIGHT = 2;
/** What is held in memory for it: enough that a new isolate is warm. */
const TURNS_ALONE = 50_000;
const ROUNDS = 5;
const BARE_ROUND_MS = 400;
const SHARD = "bench.turn/0";
/** Of the hosts that replays of the shard run in. */
const GROUP = `replay/${SHARD}`;
const SPEC = {
  language: "javascript",
  entry: "impl/main.js",
  zone: "system",
  limits: { ...LIMITS, turnMs: 1_000 },
} as const;

export const name = "replay";

export const notMeasured: readonly string[] = [
  "events looked up in other shards: every input is in its record",
  "a core for each process: the kernel's side of the replay and the sandbox host share what the machine has",
  "a state too large to hand over at once: the capsule keeps one key",
  "in the rates, the start of a host, which has a row of its own; that of an isolate is in them",
];

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-replay-"));
  try {
    await using ledger = await openSqliteLedgerStore({ path: join(directory, "ledger.sqlite") });
    await using sandbox = openHostSandbox(isolateExecutor);
    const image = imageOf(await bundleSource(COUNTER));
    await record(ledger, sandbox, image);
    const replay = async (to?: number): Promise<void> => {
      const parts = { ledger, sandbox, digest: nodeDigest, shard: SHARD, imageOf: async () => image };
      const report = await replayShard({ ...parts, specOf: () => SPEC }, to === undefined ? {} : { to });
      if (report.difference !== null || report.turns !== (to ?? TURNS + 1) - 1)
        throw new Error(JSON.stringify(report));
    };
    const starts: number[] = [];
    for (let round = 0; round < ROUNDS; round++) starts.push((await timed(() => replay(2))).wallUs / 1_000);
    // Keeps the host that replays of the shard run in.
    const keeper = await sandbox.open({ ...SPEC, instance: "bench.keeper/0", image, group: GROUP });
    const { pid } = (await keeper.meters()).host;
    const bare = await BareIsolate.start();
    const besideBare = async (cost: () => Promise<Cost>): Promise<Beside> => {
      const [bareUs, costs]: [number[], Cost[]] = [[], []];
      // In turns, so that a neighbour's noise meets both of them.
      for (let round = 0; round < ROUNDS; round++) {
        bareUs.push((await bare.costs(requests(BATCH, 0, 1_000), BARE_ROUND_MS)).inOneCall);
        costs.push(await cost());
      }
      return { bareUs: median(bareUs), costs };
    };
    const whole = await besideBare(async () => perTurn(await timed(replay, pid), TURNS));
    // Behind them: the texts it holds are 200 MB, which a whole replay would have to collect.
    const alone = await besideBare(async () => await repeatFromMemory(ledger, sandbox, image, pid));
    bare.kill();
    return results(whole, alone, starts);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Rounds of something, and what the bare call took between them. */
interface Beside {
  readonly bareUs: number;
  readonly costs: readonly Cost[];
}

function results(whole: Beside, alone: Beside, starts: readonly number[]): readonly BenchResult[] {
  const rate = 1_000_000 / median(whole.costs.map(({ wallUs }) => wallUs));
  const bareRate = 1_000_000 / whole.bareUs;
  const peer = { name: `bare isolated-vm, ${BATCH} in one call`, value: bareRate };
  const peerAlone = { ...peer, value: 1_000_000 / alone.bareUs };
  const wholeCall = { name: "the bare call, whole", value: whole.bareUs };
  const callAlone = { ...wholeCall, value: alone.bareUs };
  return [
    {
      metric: `turns of 1 KB run again by a replay, of ${TURNS.toLocaleString("en")} recorded ones, in a host that runs`,
      value: rate,
      unit: "turns/s",
      peer,
      target: atLeast(rate, 0.5 * bareRate, "turns/s (half of the bare call)"),
    },
    {
      metric: "processor time of the kernel for such a turn: read, hashed and checked, cut, compared",
      value: median(whole.costs.map(({ kernelUs }) => kernelUs)),
      unit: "µs",
      peer: wholeCall,
    },
    {
      metric: "processor time of the sandbox host for such a turn",
      value: median(whole.costs.map(({ hostUs }) => hostUs)),
      unit: "µs",
      peer: wholeCall,
    },
    {
      metric: "the sandbox alone: such turns run again from texts in memory, and compared",
      value: 1_000_000 / median(alone.costs.map(({ wallUs }) => wallUs)),
      unit: "turns/s",
      peer: peerAlone,
    },
    {
      metric: "processor time of the sandbox host for such a turn, the sandbox alone",
      value: median(alone.costs.map(({ hostUs }) => hostUs)),
      unit: "µs",
      peer: callAlone,
    },
    { metric: "a replay of one turn: a host is started and ended", value: median(starts), unit: "ms" },
  ];
}

interface Cost {
  readonly wallUs: number;
  readonly kernelUs: number;
  readonly hostUs: number;
}

/** `pid`: of the host; without it its processor time is not looked at. */
async function timed(work: () => Promise<void>, pid?: number): Promise<Cost> {
  const hostBefore = pid === undefined ? 0 : processorUs(pid);
  const usedBefore = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const wallUs = (performance.now() - startedAt) * 1_000;
  const { user, system } = process.cpuUsage(usedBefore);
  return {
    wallUs,
    kernelUs: user + system,
    hostUs: pid === undefined ? 0 : processorUs(pid) - hostBefore,
  };
}

function perTurn({ wallUs, kernelUs, hostUs }: Cost, turns: number): Cost {
  return { wallUs: wallUs / turns, kernelUs: kernelUs / turns, hostUs: hostUs / turns };
}

/** Everything a replay does in a sandbox, and nothing around it: the lots are made before the clock starts. */
async function repeatFromMemory(
  ledger: LedgerStore,
  sandbox: Sandbox,
  image: CapsuleImage,
  pid: number,
): Promise<Cost> {
  const [, first, ...records] = await ledger.read(SHARD, 1, TURNS_ALONE + 1);
  const turnOf = (stored: StoredRecord | undefined): ReplayTurn => {
    const turn = stored === undefined ? undefined : ReplayTurn.cut(stored, stored.hash);
    if (turn === undefined) throw new Error("a record is not what was recorded");
    return turn;
  };
  const batches: RepeatedBatch[] = [];
  let lot = new ReplayLot();
  for (const [index, stored] of records.entries()) {
    lot.add(turnOf(stored));
    if (!lot.isFull && index < records.length - 1) continue;
    batches.push(lot.close());
    lot = new ReplayLot();
  }
  const instance = await sandbox.open({ ...SPEC, instance: "bench.alone/0", image, group: GROUP });
  await instance.deliver([{ ...turnOf(first).request, keys: [["n"]], ranges: [""] }]);
  const cost = await timed(async () => {
    const inFlight: Promise<unknown>[] = [];
    for (const batch of batches) {
      inFlight.push(instance.repeat(batch));
      if (inFlight.length >= LOTS_IN_FLIGHT && (await inFlight.shift()) !== undefined)
        throw new Error("a turn came to something else");
    }
    for (const results of await Promise.all(inFlight))
      if (results !== undefined) throw new Error("a turn came to something else");
  }, pid);
  await instance.dispose();
  return perTurn(
    cost,
    batches.reduce((sum, { turns }) => sum + turns.length, 0),
  );
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
