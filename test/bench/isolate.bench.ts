/** A turn through a sandbox host, one at a time and 64 in flight, beside bare isolated-vm calls that do the same work. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { ISOLATE_FLAGS, isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { SandboxInstance } from "@vnes/kernel";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import type { BareCosts, BareRequest } from "./isolate-bare.ts";
import { atMost, type BenchResult, median } from "./result.ts";
import { requests } from "./turn-requests.ts";

const IN_FLIGHT = 64;
const ROUNDS = 5;
const ROUND_MS = 400;
/** Enough that one more or less does not matter. */
const FURTHER_INSTANCES = 24;
const MEGABYTE = 1024 * 1024;

export const name = "isolate";

export const notMeasured: readonly string[] = [
  "the ledger: nothing is recorded, checked against schemas or released (see the bench of turns)",
  "keys the sandbox has to ask for: all are cached after the first turn",
  "a core for each process: kernel, host and bare calls share what the machine has",
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
  const bundle = await bundleSource(SOURCE);
  await using sandbox = openHostSandbox(isolateExecutor);
  const startedAt = performance.now();
  const instance = await sandbox.open(specOf(bundle, { limits: { turnMs: 1_000 } }));
  const openMs = performance.now() - startedAt;
  await warmUp(instance);
  const memoryBefore = (await instance.meters()).host.memoryBytes;

  const bare = await startBare();
  const single: number[] = [];
  const batched: number[] = [];
  const piped: number[] = [];
  const bareSingle: number[] = [];
  const bareInFlight: number[] = [];
  const bareInOneCall: number[] = [];
  // In turns, so that a neighbour's noise meets all of them.
  for (let round = 0; round < ROUNDS; round++) {
    const { inFlight, inOneCall } = await bareAlone(bare);
    bareInFlight.push(inFlight);
    bareInOneCall.push(inOneCall);
    batched.push(await perTurn(IN_FLIGHT, () => instance.deliver(requests(IN_FLIGHT))));
    bareSingle.push(await perTurn(1, () => bareAsked(bare)));
    single.push(await perTurn(1, () => instance.deliver(requests(1))));
    piped.push(
      await perTurn(IN_FLIGHT, () =>
        Promise.all(Array.from({ length: IN_FLIGHT }, () => instance.deliver(requests(1)))),
      ),
    );
  }
  bare.kill();

  for (let index = 1; index <= FURTHER_INSTANCES; index++) {
    await warmUp(await sandbox.open(specOf(bundle, { instance: `test.capsule/${index}` })));
  }
  const memoryAfter = (await instance.meters()).host.memoryBytes;
  const beside = { name: `bare isolated-vm, ${IN_FLIGHT} in flight`, value: median(bareInFlight) };
  const furtherMb = (memoryAfter - memoryBefore) / FURTHER_INSTANCES / MEGABYTE;
  return [
    { metric: "first instance of a host, from no process to loaded", value: openMs, unit: "ms" },
    {
      metric: "a turn, one at a time",
      value: median(single),
      unit: "µs",
      peer: { name: "bare isolated-vm in another process", value: median(bareSingle) },
    },
    {
      metric: `a turn, ${IN_FLIGHT} in flight, sent together`,
      value: median(batched),
      unit: "µs",
      peer: beside,
      target: atMost(median(batched), 2 * beside.value, "µs"),
    },
    { metric: `a turn, ${IN_FLIGHT} in flight, sent singly`, value: median(piped), unit: "µs", peer: beside },
    {
      metric: `bare isolated-vm, ${IN_FLIGHT} requests batched by hand in one synchronous call`,
      value: median(bareInOneCall),
      unit: "µs",
    },
    { metric: "memory of a host with one instance", value: memoryBefore / MEGABYTE, unit: "MB" },
    { metric: "memory of a further instance", value: furtherMb, unit: "MB" },
  ];
}

/** Gives it the one key it reads, and lets V8 see the code often enough. */
async function warmUp(instance: SandboxInstance): Promise<void> {
  const [first] = requests(1);
  if (first !== undefined) await instance.deliver([{ ...first, keys: [["n"]], ranges: [] }]);
  const results = await instance.deliver(requests(IN_FLIGHT));
  const bad = results.find(({ kind }) => kind !== "done");
  if (bad !== undefined) throw new Error(`a turn did not end well: ${JSON.stringify(bad)}`);
}

async function perTurn(turnsEach: number, work: () => Promise<unknown>): Promise<number> {
  let done = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < ROUND_MS) {
    await work();
    done += turnsEach;
  }
  return ((performance.now() - startedAt) * 1_000) / done;
}

async function startBare(): Promise<ChildProcess> {
  const bare = fork(new URL("./isolate-bare.ts", import.meta.url), {
    execArgv: [...ISOLATE_FLAGS, "--conditions=source"],
  });
  await bareAsked(bare);
  return bare;
}

async function bareAsked(bare: ChildProcess): Promise<void> {
  bare.send({ text: JSON.stringify(requests(1)) } satisfies BareRequest);
  const [text] = (await once(bare, "message")) as [string];
  JSON.parse(text);
}

async function bareAlone(bare: ChildProcess): Promise<BareCosts> {
  bare.send({ measure: { requests: requests(IN_FLIGHT), roundMs: ROUND_MS } } satisfies BareRequest);
  const [costs] = (await once(bare, "message")) as [BareCosts];
  return costs;
}
