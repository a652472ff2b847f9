/** What a wall costs: cold starts of a capsule, in hosts that run and in new ones, and turns behind it, beside the same without it and beside bare isolated-vm. */
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { Confinement, Sandbox, SandboxInstance } from "@vnes/kernel";
import type { TrustZone } from "@vnes/schemas";
import { confinementFor, walls } from "../../kernel/drivers/confine/test/probe.ts";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { BareIsolate } from "./bare-isolate.ts";
import { atMost, type BenchResult, median } from "./result.ts";
import { requests } from "./turn-requests.ts";

const ROUNDS = 15;
const IN_FLIGHT = 64;
/** The end of the host before is work too, and would be counted to the one that comes after it. */
const SETTLE_MS = 150;
const TURN_ROUNDS = 7;
const TURN_ROUND_MS = 300;
const FURTHER_INSTANCES = 24;
/** As many as a node is to hold, of a few tenants. */
const MANY_HOSTS = 4;
const MANY_IN_EACH = 50;
const MEGABYTE = 1024 * 1024;

const WARM_TARGET_MS = 30;
const NEW_TARGET_MS = 150;
const TURN_TARGET_US = 30;
/** Of what bare isolated-vm takes for the same in the same run. */
const TURN_TARGET_RATIO = 2;
const MEMORY_TARGET_MB = 5;

export const name = "sandbox";

export const notMeasured: readonly string[] = [
  "the ledger and the node around it: a capsule starts in a sandbox that is open already",
  "a cold disk, and the making of the host's program out of its sources: it is there from the first host on",
];

const SOURCE = `import { capsule } from "@vnes/sdk";
export default capsule({ calls: { "bench.turn": (turn, input) => {
  turn.keys.set("n", (turn.keys.get("n") ?? 0) + 1);
  return input;
} } });`;

let instances = 0;

export async function run(): Promise<readonly BenchResult[]> {
  const bundle = await bundleSource(SOURCE);
  await using sandbox = openHostSandbox(isolateExecutor, { wallOf: walls.wallOf });
  const open = (group: string, confinement?: Confinement): Promise<SandboxInstance> =>
    started(sandbox, bundle, group, confinement);
  const keeper = await open("warm");

  const confined = confinementFor("tenant");
  const warm = await open("warm", confined);
  const zones: readonly TrustZone[] = ["tenant", "session", "ephemeral"];
  const fresh = new Map<string, number[]>(["none", ...zones].map((zone) => [zone, []]));
  const inWarm: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    inWarm.push(await timed(() => open("warm", confined)));
    for (const [zone, times] of fresh) {
      const confinement = zone === "none" ? undefined : confinementFor(zone as TrustZone);
      times.push(await timed(() => open(`new/${round}`, confinement)));
    }
  }

  const behind: number[] = [];
  const without: number[] = [];
  const bareInFlight: number[] = [];
  const isolate = await BareIsolate.start();
  // In turns, so that a neighbour's noise meets all of them.
  for (let round = 0; round < TURN_ROUNDS; round++) {
    without.push(await perTurn(keeper));
    behind.push(await perTurn(warm));
    bareInFlight.push((await isolate.costs(requests(IN_FLIGHT), TURN_ROUND_MS)).inFlight);
  }
  isolate.kill();
  const before = (await warm.meters()).host.memoryBytes;
  for (let count = 0; count < FURTHER_INSTANCES; count++) await open("warm", confined);
  const after = (await warm.meters()).host.memoryBytes;
  const many = await openMany(bundle, confined);

  const bare = { name: "a process without a wall", value: median(fresh.get("none") ?? []) };
  const furtherMb = (after - before) / FURTHER_INSTANCES / MEGABYTE;
  return [
    {
      metric: "cold start, in a confined host that runs",
      value: median(inWarm),
      unit: "ms",
      target: atMost(median(inWarm), WARM_TARGET_MS, "ms"),
    },
    ...zones.map((zone): BenchResult => {
      const value = median(fresh.get(zone) ?? []);
      const target = atMost(value, NEW_TARGET_MS, "ms");
      return { metric: `cold start, in a new host of zone ${zone}`, value, unit: "ms", peer: bare, target };
    }),
    {
      metric: `a turn of JavaScript in a confined host, ${IN_FLIGHT} in flight`,
      value: median(behind),
      unit: "µs",
      peer: { name: "in a host without a wall", value: median(without) },
      target: atMost(median(behind), TURN_TARGET_US, "µs"),
    },
    {
      metric: "the same turn, beside isolated-vm and nothing else",
      value: median(behind),
      unit: "µs",
      peer: { name: `bare isolated-vm, ${IN_FLIGHT} in flight`, value: median(bareInFlight) },
      target: atMost(median(behind), TURN_TARGET_RATIO * median(bareInFlight), "µs"),
    },
    {
      metric: "memory of a further JavaScript capsule in a shared confined host",
      value: furtherMb,
      unit: "MB",
      target: atMost(furtherMb, MEMORY_TARGET_MB, "MB"),
    },
    {
      metric: `${MANY_HOSTS * MANY_IN_EACH} capsules in ${MANY_HOSTS} new confined hosts, all open and through a turn`,
      value: many.tookMs,
      unit: "ms",
    },
    {
      metric: "memory of each of them, their hosts included",
      value: many.eachMb,
      unit: "MB",
      target: atMost(many.eachMb, MEMORY_TARGET_MB, "MB"),
    },
  ];
}

/** All at once, as a node that boots does it. */
async function openMany(
  bundle: string,
  confinement: Confinement,
): Promise<{ readonly tookMs: number; readonly eachMb: number }> {
  await using sandbox = openHostSandbox(isolateExecutor, { wallOf: walls.wallOf });
  const groups = Array.from(
    { length: MANY_HOSTS * MANY_IN_EACH },
    (_, index) => `many/${index % MANY_HOSTS}`,
  );
  const from = performance.now();
  const opened = await Promise.all(groups.map((group) => started(sandbox, bundle, group, confinement)));
  const tookMs = performance.now() - from;
  let bytes = 0;
  for (const instance of opened.slice(0, MANY_HOSTS)) bytes += (await instance.meters()).host.memoryBytes;
  return { tookMs, eachMb: bytes / groups.length / MEGABYTE };
}

/** Open and through its first turn, which gives it the one key it reads. */
async function started(
  sandbox: Sandbox,
  bundle: string,
  group: string,
  confinement: Confinement | undefined,
): Promise<SandboxInstance> {
  const spec = specOf(bundle, { group, instance: `test.capsule/${instances++}`, limits: { turnMs: 1_000 } });
  const instance = await sandbox.open(confinement === undefined ? spec : { ...spec, confinement });
  await instance.deliver(requests(1).map((request) => ({ ...request, keys: [["n"]] })));
  return instance;
}

async function timed(open: () => Promise<SandboxInstance>): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const from = performance.now();
  const instance = await open();
  const took = performance.now() - from;
  await instance.dispose();
  return took;
}

async function perTurn(instance: SandboxInstance): Promise<number> {
  let count = 0;
  const from = performance.now();
  while (performance.now() - from < TURN_ROUND_MS) {
    await instance.deliver(requests(IN_FLIGHT));
    count += IN_FLIGHT;
  }
  return ((performance.now() - from) * 1_000) / count;
}
