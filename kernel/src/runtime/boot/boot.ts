/**
 * Boot, in the order a person can follow: recover -> discover -> admit what policy requires, then the rest -> choose ->
 * bind -> open topics -> activate -> release what waited. A node that may not run says why and leaves nothing half-open.
 */
import type { VnesError } from "@vnes/schemas";
import { topicOffers } from "../../admission/topic-files.ts";
import { kernelShard } from "../../bus/routing.ts";
import { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { kernelErrors } from "../../errors.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import { followHeads } from "../ledger/head-signer.ts";
import { LedgerWatch } from "../ledger/ledger-watch.ts";
import { openNodeSnapshots } from "../ledger/node-snapshots.ts";
import { ShardLog } from "../ledger/shard-log.ts";
import { Budgets } from "../node/budgets.ts";
import { CapsuleTable } from "../node/capsule-table.ts";
import { ControlCalls } from "../node/control-calls.ts";
import { Counters } from "../node/counters.ts";
import { diagnostic, KernelShard } from "../node/kernel-shard.ts";
import { guardLease } from "../node/lease-guard.ts";
import type { Node } from "../node/node.ts";
import { loadedShards, shardsOf } from "../node/node-context.ts";
import { NodeRuntime } from "../node/node-runtime.ts";
import { OutsideCalls } from "../node/outside-calls.ts";
import type { NodeParts } from "../node/parts.ts";
import { Router, type Switchboard } from "../node/router.ts";
import { StateReads } from "../state/state-reads.ts";
import { FlowDecider } from "../topics/flow-decider.ts";
import { FlowGate } from "../topics/flow-gate.ts";
import { FlowReports } from "../topics/flow-reports.ts";
import { admitAll, discover } from "./admit.ts";
import { assertFound, assertRequired, bind, choose, enrol } from "./chosen-capsules.ts";
import { keepTime } from "./node-time.ts";
import { openPartitions } from "./opened-partitions.ts";
import { recallNode } from "./recalled-node.ts";
import { type ProviderFact, recordProviders } from "./recorded-providers.ts";
import { recordTopics } from "./recorded-topics.ts";
import { stateOf } from "./recovery.ts";
import { capabilitiesOf, topicsOf } from "./wiring.ts";

/** Resolves once every capsule that can be active is. Rejects with `NODE_REQUIRED_CAPSULE_MISSING` and ledger errors. */
export async function bootNode(parts: NodeParts): Promise<Node> {
  const watch = new LedgerWatch(parts.log);
  const { stalled, end } = watch.untilStall();
  const booting = boot(parts, watch);
  try {
    // A running node waits for space on the disk; one that boots says that there is none.
    return await Promise.race([booting, stalled]);
  } catch (error) {
    watch.abandon(kernelErrors.create("NODE_STOPPING"));
    // Nothing may be opened behind the back of what closes everything.
    await booting.catch(() => undefined);
    await closeAll(parts);
    throw error;
  } finally {
    end();
  }
}

async function boot(parts: NodeParts, watch: LedgerWatch): Promise<Node> {
  const beganAt = parts.clock.now();
  const counters = new Counters();
  const run = parts.random.seed();
  const remote = parts.cluster && new RemoteRoutes(parts.cluster, parts.clock, counters, run);
  const isOwn = (shard: string): boolean => remote?.isOwn(shard) ?? true;
  const { recovered, denied, recorded, providers: before } = await recallNode(parts, counters, isOwn);

  const board: Switchboard = {
    topics: new Map(),
    capabilities: new Map(),
    partitions: new Map(),
    shards: new Map(),
    devices: new Map(),
    slots: new Map(),
    outOfReach: new Map(),
    flow: new FlowGate(),
  };
  const control = new ControlCalls(parts.clock, parts.random.seed());
  const reads = new StateReads({
    ledger: parts.ledger,
    shards: board.shards,
    slots: board.slots,
    policy: parts.policy,
    manifestOf: (id) => table.find(id)?.manifest,
    otherOwner: (shard) => remote?.otherOwner(shard),
  });
  const router = new Router(board, control, counters, reads, remote);
  const outside = new OutsideCalls(board, control, remote);
  const name = kernelShard(parts.node);
  const heads = followHeads(parts, name, (fact) => kernel.record(fact));
  const openLog = (shard: string): ShardLog => {
    const onStall = (problem: VnesError | undefined): void => watch.set(shard, problem);
    const { ledger: store, digest, clock } = parts;
    const log = new ShardLog({ shard, store, digest, clock, onStall }, recovered.get(shard)?.head);
    watch.add(log);
    heads?.add(shard, log);
    return log;
  };

  const snapshots = openNodeSnapshots(parts, counters, recovered);
  const openShard = (shard: string): { readonly state: ShardState; readonly log: ShardLog } => {
    const opened = { state: stateOf(recovered, shard), log: openLog(shard) };
    snapshots.addShard(opened.state, opened.log);
    return opened;
  };

  let runtime: NodeRuntime | undefined;
  const kernel = new KernelShard({
    ...openShard(name),
    clock: parts.clock,
    board,
    counters,
    route: (...effect) => router.route(...effect),
    fail: (error) => runtime?.halt(error),
  });
  kernel.onRecorded((fact) => heads?.recorded(fact));
  const startedAt = beganAt + keepTime(parts, recovered, kernel, counters);
  void kernel.record({ type: "booted", node: parts.node, boot: parts.random.seed() });
  const table = new CapsuleTable((fact) => kernel.record(fact));

  const { first, others } = await discover(parts);
  const core = await admitAll(parts, denied, first);
  enrol(parts, core, table, kernel);
  assertRequired(parts, core);
  const rest = await admitAll(parts, denied, others);
  enrol(parts, rest, table, kernel);
  assertFound(parts, [core, rest]);
  const running = choose(parts, table, kernel);
  const { order, outOfReach } = bind(parts, running, table, kernel, recorded);
  board.outOfReach = outOfReach;
  const bound = order.map((id) => table.get(id));

  board.topics = topicsOf(bound);
  board.capabilities = capabilitiesOf(bound);
  openPartitions(parts, board, recovered, openLog, counters, isOwn, snapshots, kernel);
  const offers = bound.flatMap(({ image }) => topicOffers(image));
  const recordsOf = (id: string): ProviderFact["records"] => {
    const capsule = table.get(id);
    if (capsule.manifest.type === "driver") return "none";
    return shardsOf({ parts }, capsule).every(isOwn) ? "here" : "elsewhere";
  };
  const [, providers] = await Promise.all([
    recordTopics(kernel, recorded, offers),
    recordProviders(kernel, parts.clock.now(), before, board.capabilities, recordsOf),
  ]);
  const known = new Set(recovered.keys());
  const decider = new FlowDecider({
    clock: parts.clock,
    counters,
    call: (...args) => outside.call(...args),
    record: (fact) => void kernel.record(fact),
    unusable: (decision) => flowReports.unusable(decision),
  });
  const flowReports = new FlowReports({
    counters,
    clock: parts.clock,
    report: (fact) => kernel.report(fact),
    ask: (capsule, feed) => decider.ask(capsule, feed),
  });
  const budgets = new Budgets({
    policy: parts.policy,
    clock: parts.clock,
    shardsOf: (capsule) => loadedShards({ board, parts }, capsule),
    report: (capsule, problem) => {
      counters.add("capsule.slowed");
      if (kernel.report(diagnostic("capsule", capsule.id, problem)))
        parts.log.warn({ capsule: capsule.id, code: problem.code }, problem.message);
    },
  });
  const shared = {
    parts,
    board,
    budgets,
    control,
    router,
    outside,
    reads,
    table,
    kernel,
    counters,
    watch,
    flowReports,
    remote,
    snapshots,
    heads,
  };
  runtime = new NodeRuntime({ ...shared, order, startedAt, known });
  await runtime.activateAll(openShard, recovered, providers);
  kernel.publish();
  await kernel.settled();
  runtime.booted();
  const { lease } = parts.ledger;
  if (lease !== undefined) guardLease(lease, { watch, log: parts.log, devices: () => board.devices });
  heads?.start();
  return runtime;
}

async function closeAll(parts: NodeParts): Promise<void> {
  await parts.sandbox[Symbol.asyncDispose]();
  await parts.device[Symbol.asyncDispose]();
  await parts.cluster?.messenger[Symbol.asyncDispose]();
  await parts.ledger[Symbol.asyncDispose]();
}
