/**
 * One run of the bus: a node with registers, chains, timers and subscribers under faults, then calm, then every check.
 *
 * B1. While there is work to do the node is brought back whenever it is down, and restarted when it says it cannot go on.
 * B2. Then it boots once more without faults, and everything under way has time to end.
 */
import { nodeDigest } from "@vnes/registry";
import { checkAcknowledged } from "../history/acknowledged.ts";
import { checkLedger } from "../history/check.ts";
import { describeProblem } from "../history/problem.ts";
import { checkReads } from "../history/reads.ts";
import { checkRegisters } from "../history/register.ts";
import { COUNTING, isRecorded, KEYS, nextRequest, READINGS, registerRead } from "./bus-workload.ts";
import { Clients } from "./clients.ts";
import { CALM, planFaults } from "./fault-plan.ts";
import { Keeper } from "./keeper.ts";
import type { Outcome, RunParts } from "./run.ts";
import { SimNode } from "./sim-node.ts";

export const BUS_CAPSULES: readonly string[] = [
  "vnes.core.observability",
  "local.crash.intake",
  "local.crash.tally",
  "local.sim.register",
  "local.sim.link",
  "local.sim.chain",
  "local.sim.alarm",
  "local.sim.watch",
  "local.sim.picky",
];
const CLIENTS = 3;
const WORK_MS = 600_000;
/** Longer than any deadline of a call under way, those of the crash capsules included. */
const QUIET_MS = 700_000;
const CALM_BOOT_MS = 20_000;
const READ_TIMEOUT_MS = 10_000;

export async function runBus({ world, built, realm, topology, steps }: RunParts): Promise<Outcome> {
  const problems: string[] = [];
  const images = BUS_CAPSULES.flatMap((id) => built.images.get(id) ?? []);
  const node = new SimNode({ world, name: "sim", built, realm, images, config: {}, drivers: () => ({}) });
  const clients = new Clients(world, node, (_, number) =>
    number > steps ? undefined : nextRequest(world, number),
  );
  const keeper = new Keeper(world, node, () => planFaults(world));
  keeper.start();
  clients.start(CLIENTS);
  if (!(await world.until(() => clients.areDone, WORK_MS)))
    problems.push("the clients did not come to an end");
  keeper.end();

  if (!node.isDown) node.crash("for the calm");
  node.boot(CALM);
  if (!(await world.until(() => node.isUp, CALM_BOOT_MS))) {
    problems.push(`the node does not come up without faults: ${String(node.lastError)}`);
  } else {
    await world.until(() => world.clock.nextWakeAt === undefined, QUIET_MS);
    const status = await node.status();
    for (const { code, message } of status?.problems ?? [])
      problems.push(`without faults: ${code} ${message}`);
    for (const key of KEYS) await read(world, clients, key);
  }
  const quietAt = node.now;
  // Not an orderly stop: what it publishes of itself would be consumed after the next boot only.
  node.crash("at the end");

  const stored = node.memory.everRecorded();
  const { ledger, problems: broken } = checkLedger(stored, {
    digest: nodeDigest,
    topology,
    quietAt,
    counting: COUNTING,
  });
  const registers = checkRegisters(clients.operations, READINGS);
  const acknowledged = checkAcknowledged(ledger, clients.operations.filter(isRecorded));
  const reads = checkReads(ledger, clients.operations, registerRead);
  const found = [...broken, ...acknowledged, ...reads, ...registers.problems].map(describeProblem);
  return {
    problems: [...problems, ...found],
    undecided: registers.undecided.length,
    ledgers: [node.memory],
    operations: clients.operations.length,
    lives: node.lives,
  };
}

async function read(world: RunParts["world"], clients: Clients, key: string): Promise<void> {
  let isDone = false;
  const request = { capability: "sim.register", method: "get", input: { key }, timeoutMs: READ_TIMEOUT_MS };
  void clients.ask("last", request).then(() => {
    isDone = true;
  });
  await world.until(() => isDone, READ_TIMEOUT_MS);
}
