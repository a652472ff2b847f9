/**
 * Boot, in the order a person can follow: recover -> discover -> admit what policy requires, then the rest -> choose ->
 * bind -> open topics -> activate -> release what waited. A node that may not run says why and leaves nothing half-open.
 */
import { topicOffers } from "../../admission/topic-files.ts";
import { kernelErrors } from "../../errors.ts";
import { LedgerWatch } from "../ledger/ledger-watch.ts";
import { Budgets } from "../node/budgets.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { diagnostic } from "../node/kernel-shard.ts";
import { guardLease } from "../node/lease-guard.ts";
import type { Node } from "../node/node.ts";
import { loadedShards, type NodeContext, shardsOf } from "../node/node-context.ts";
import { NodeRuntime } from "../node/node-runtime.ts";
import type { NodeParts } from "../node/parts.ts";
import { FlowDecider } from "../topics/flow-decider.ts";
import { FlowReports } from "../topics/flow-reports.ts";
import { admitAll, discover } from "./admit.ts";
import { type BareNode, openBareNode } from "./bare-node.ts";
import { assertFound, assertRequired, bind, choose, enrol } from "./chosen-capsules.ts";
import { openPartitions } from "./opened-partitions.ts";
import { type ProviderFact, recordProviders, type RecordedProviders } from "./recorded-providers.ts";
import { recordTopics } from "./recorded-topics.ts";
import { capabilitiesOf, topicsOf } from "./wiring.ts";

/** Resolves once every capsule that can be active is. Rejects with `NODE_REQUIRED_CAPSULE_MISSING` and ledger errors. */
export async function bootNode(parts: NodeParts): Promise<Node> {
  const watch = new LedgerWatch(parts.log);
  const { stalled, end } = watch.untilStall();
  let begun: BareNode | undefined;
  const booting = boot(parts, watch, (node) => {
    begun = node;
  });
  try {
    // A running node waits for space on the disk; one that boots says that there is none.
    return await Promise.race([booting, stalled]);
  } catch (error) {
    watch.abandon(kernelErrors.create("NODE_STOPPING"));
    // Nothing may be opened behind the back of what closes everything.
    await booting.catch(() => undefined);
    // Who runs already would take the end of its host for a death, and open another one.
    for (const shard of begun?.board.shards.values() ?? []) void shard.pause();
    await closeAll(parts);
    throw error;
  } finally {
    end();
  }
}

async function boot(parts: NodeParts, watch: LedgerWatch, begun: (node: BareNode) => void): Promise<Node> {
  const node = await openBareNode(parts, watch);
  begun(node);
  await admitCapsules(node);
  const bound = bindCapsules(node);
  openTopics(node, bound);
  const providers = await recordOffers(node, bound);
  const runtime = new NodeRuntime(contextOf(node, bound));
  node.onLost((error) => runtime.halt(error));
  await runtime.activateAll(node.openShard, node.recalled.recovered, providers);
  await release(node);
  runtime.booted();
  keepUp(node);
  return runtime;
}

/** Judges what the sources offer. What policy requires goes first: a node without that judges nothing else. */
async function admitCapsules({ parts, recalled, table, kernel }: BareNode): Promise<void> {
  const { first, others } = await discover(parts);
  const core = await admitAll(parts, recalled.denied, first);
  enrol(parts, core, table, kernel);
  assertRequired(parts, core);
  const rest = await admitAll(parts, recalled.denied, others);
  enrol(parts, rest, table, kernel);
  assertFound(parts, [core, rest]);
}

/** Those that run here, in the order they start. */
function bindCapsules({ parts, recalled, board, table, kernel }: BareNode): readonly Capsule[] {
  const running = choose(parts, table, kernel);
  const { order, outOfReach } = bind(parts, running, table, kernel, recalled.recorded);
  board.outOfReach = outOfReach;
  return order.map((id) => table.get(id));
}

function openTopics(node: BareNode, bound: readonly Capsule[]): void {
  const { board } = node;
  board.topics = topicsOf(bound);
  board.capabilities = capabilitiesOf(bound);
  openPartitions(node);
}

/** What a later boot has to know is durable before the first event and the first call. */
async function recordOffers(
  { parts, recalled, board, table, kernel, isOwn }: BareNode,
  bound: readonly Capsule[],
): Promise<RecordedProviders> {
  const offers = bound.flatMap(({ image }) => topicOffers(image));
  const recordsOf = (id: string): ProviderFact["records"] => {
    const capsule = table.get(id);
    if (capsule.manifest.type === "driver") return "none";
    return shardsOf({ parts }, capsule).every(isOwn) ? "here" : "elsewhere";
  };
  const [, providers] = await Promise.all([
    recordTopics(kernel, recalled.recorded, offers),
    recordProviders(kernel, parts.clock.now(), recalled.providers, board.capabilities, recordsOf),
  ]);
  return providers;
}

function contextOf(node: BareNode, bound: readonly Capsule[]): NodeContext {
  const order = bound.map(({ id }) => id);
  const known = new Set(node.recalled.recovered.keys());
  return { ...node, order, known, flowReports: flowReportsOf(node), budgets: budgetsOf(node) };
}

function flowReportsOf({ parts: { clock }, counters, outside, kernel }: BareNode): FlowReports {
  const decider = new FlowDecider({
    clock,
    counters,
    call: (...args) => outside.call(...args),
    record: (fact) => void kernel.record(fact),
    unusable: (decision) => reports.unusable(decision),
  });
  const reports = new FlowReports({
    counters,
    clock,
    report: (fact) => kernel.report(fact),
    ask: (capsule, feed) => decider.ask(capsule, feed),
  });
  return reports;
}

function budgetsOf({ parts, board, kernel, counters }: BareNode): Budgets {
  return new Budgets({
    policy: parts.policy,
    clock: parts.clock,
    shardsOf: (capsule) => loadedShards({ board, parts }, capsule),
    report: (capsule, problem) => {
      counters.add("capsule.slowed");
      if (kernel.report(diagnostic("capsule", capsule.id, problem)))
        parts.log.warn({ capsule: capsule.id, code: problem.code }, problem.message);
    },
  });
}

/** What the kernel had to say while nobody could hear it. */
async function release({ kernel }: BareNode): Promise<void> {
  kernel.publish();
  await kernel.settled();
}

/** What goes on beside the capsules for as long as the node runs. */
function keepUp({ parts, watch, board, heads }: BareNode): void {
  const { lease } = parts.ledger;
  if (lease !== undefined) guardLease(lease, { watch, log: parts.log, devices: () => board.devices });
  heads?.start();
}

async function closeAll(parts: NodeParts): Promise<void> {
  await parts.sandbox[Symbol.asyncDispose]();
  await parts.device[Symbol.asyncDispose]();
  await parts.cluster?.messenger[Symbol.asyncDispose]();
  await parts.ledger[Symbol.asyncDispose]();
}
