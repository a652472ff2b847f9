/**
 * One run of the bus, on one node or on several that share the shards: registers, chains, timers and subscribers under
 * faults, then calm, then every check.
 *
 * B1. While there is work to do a node is brought back whenever it is down, and restarted when it says it cannot go on.
 * B2. Then all boot once more without faults, a little more is done, and everything under way has time to end.
 */
import type { StoredRecord } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import { checkAcknowledged } from "../history/acknowledged.ts";
import { checkLedger } from "../history/check.ts";
import { describeProblem } from "../history/problem.ts";
import { checkReads } from "../history/reads.ts";
import { checkRegisters } from "../history/register.ts";
import { COUNTING, DISTINCT, isRecorded, KEYS, nextRequest, READINGS, registerRead } from "./bus-workload.ts";
import { Clients } from "./clients.ts";
import { CALM, planFaults } from "./fault-plan.ts";
import { Keeper } from "./keeper.ts";
import { CORE_CAPSULES } from "./images.ts";
import type { Outcome, RunParts } from "./run.ts";
import { SharedLedger } from "./shared-ledger.ts";
import { planKeeping, SimNode } from "./sim-node.ts";

export const BUS_CAPSULES: readonly string[] = [
  ...CORE_CAPSULES,
  "crash.intake",
  "crash.tally",
  "sim.register",
  "sim.link",
  "sim.chain",
  "sim.alarm",
  "sim.watch",
  "sim.picky",
  "sim.lease",
  "sim.digest",
];
const CLIENTS = 3;
/** In the calm clients do a part of what they did before: what a boot makes good must also go by itself. */
const CALM_SHARE = 8;
const WORK_MS = 600_000;
/** Longer than any deadline of a call under way, those of the crash capsules included. */
const QUIET_MS = 700_000;
const CALM_BOOT_MS = 20_000;
const READ_TIMEOUT_MS = 10_000;

export async function runBus(parts: RunParts, names: readonly string[]): Promise<Outcome> {
  const { world, built, realm, topology, steps } = parts;
  const problems: string[] = [];
  const images = BUS_CAPSULES.flatMap((id) => built.images.get(id) ?? []);
  const shared = names.length > 1 ? new SharedLedger(world, names) : undefined;
  const keeping = planKeeping(world);
  const nodes = names.map((name) => {
    const cluster = shared === undefined ? {} : { cluster: shared.partsOf(name) };
    return new SimNode({
      world,
      name,
      built,
      realm,
      images,
      config: {},
      keeping,
      drivers: () => ({}),
      ...cluster,
    });
  });
  let most = steps;
  const clients = new Clients(world, nodes, (number) =>
    number > most ? undefined : nextRequest(world, number),
  );
  const keepers = nodes.map((node) => new Keeper(world, node, () => planFaults(world)));
  for (const keeper of keepers) keeper.start();
  shared?.start();
  clients.start(CLIENTS);
  if (!(await world.until(() => clients.areDone, WORK_MS)))
    problems.push("the clients did not come to an end");
  for (const keeper of keepers) keeper.end();

  shared?.calm();
  for (const node of nodes) {
    if (!node.isDown) node.crash("for the calm");
    node.boot(CALM);
  }
  if (await world.until(() => nodes.every((node) => node.isUp), CALM_BOOT_MS)) {
    most += Math.ceil(steps / CALM_SHARE);
    clients.start(CLIENTS);
    await world.until(() => clients.areDone && world.clock.nextWakeAt === undefined, QUIET_MS);
    for (const node of nodes)
      for (const { code, message } of (await node.status())?.problems ?? [])
        problems.push(`${node.name} without faults: ${code} ${message}`);
    for (const key of KEYS) await read(world, clients, world.pick(nodes), key);
  } else {
    const errors = nodes.map(({ name, lastError }) => `${name}: ${String(lastError)}`);
    problems.push(`no node without faults: ${errors.join("; ")}`);
  }
  const quietAt = Math.min(...nodes.map(({ now }) => now));
  // Not an orderly stop: what it publishes of itself would be consumed after the next boot only.
  for (const node of nodes) node.crash("at the end");

  const stored = new Map<string, readonly StoredRecord[]>(
    nodes.flatMap(({ memory }) => [...memory.everRecorded()]),
  );
  const { ledger, problems: broken } = checkLedger(stored, {
    digest: nodeDigest,
    topology,
    quietAt,
    counting: COUNTING,
    distinct: DISTINCT,
  });
  const registers = checkRegisters(clients.operations, READINGS);
  const acknowledged = checkAcknowledged(ledger, clients.operations.filter(isRecorded));
  const reads = checkReads(ledger, clients.operations, registerRead);
  const found = [...broken, ...acknowledged, ...reads, ...registers.problems].map(describeProblem);
  return {
    problems: [...problems, ...found],
    undecided: registers.undecided.length,
    ledgers: [stored],
    operations: clients.operations.length,
    lives: nodes.reduce((sum, { lives }) => sum + lives, 0),
  };
}

async function read(world: RunParts["world"], clients: Clients, node: SimNode, key: string): Promise<void> {
  let isDone = false;
  const request = { capability: "sim.register", method: "get", input: { key }, timeoutMs: READ_TIMEOUT_MS };
  void clients.ask("last", node, request).then(() => {
    isDone = true;
  });
  await world.until(() => isDone, READ_TIMEOUT_MS);
}
