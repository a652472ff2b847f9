/** A turn through a sandbox host, one at a time and 64 in flight, beside bare isolated-vm calls that do the same work. */
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { SandboxInstance } from "@vnes/kernel";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { BareIsolate } from "./bare-isolate.ts";
import { atMost, type BenchResult, median } from "./result.ts";
import { requests } from "./turn-requests.ts";
import { COUNTER, perTurn } from "./turn-time.ts";

const IN_FLIGHT = 64;
const ROUNDS = 5;
const BARE_ROUND_MS = 400;
/** Enough that one more or less does not matter. */
const FURTHER_INSTANCES = 24;
const MEGABYTE = 1024 * 1024;

export const name = "isolate";

export const notMeasured: readonly string[] = [
  "the ledger: nothing is recorded, checked against schemas or released (see the bench of turns)",
  "keys the sandbox has to ask for: all are cached after the first turn",
  "a core for each process: kernel, host and bare calls share what the machine has",
];

export async function run(): Promise<readonly BenchResult[]> {
  const bundle = await bundleSource(COUNTER);
  await using sandbox = openHostSandbox(isolateExecutor);
  const startedAt = performance.now();
  const instance = await sandbox.open(specOf(bundle, { limits: { turnMs: 1_000 } }));
  const openMs = performance.now() - startedAt;
  await warmUp(instance);
  const memoryBefore = (await instance.meters()).host.memoryBytes;

  const bare = await BareIsolate.start();
  const single: number[] = [];
  const batched: number[] = [];
  const piped: number[] = [];
  const bareSingle: number[] = [];
  const bareInFlight: number[] = [];
  const bareInOneCall: number[] = [];
  // In turns, so that a neighbour's noise meets all of them.
  for (let round = 0; round < ROUNDS; round++) {
    const { inFlight, inOneCall } = await bare.costs(requests(IN_FLIGHT), BARE_ROUND_MS);
    bareInFlight.push(inFlight);
    bareInOneCall.push(inOneCall);
    batched.push(await perTurn(IN_FLIGHT, () => instance.deliver(requests(IN_FLIGHT))));
    bareSingle.push(await perTurn(1, () => bare.answer(requests(1))));
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
