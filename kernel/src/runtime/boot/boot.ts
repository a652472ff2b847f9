/**
 * Boot, in the order a person can follow: recover -> discover and admit -> choose -> bind -> open topics -> activate ->
 * release what waited. A node that may not run says why and leaves nothing half-open.
 */
import type { VnesError } from "@vnes/schemas";
import { topicOffers, type TopicOffer } from "../../admission/topic-files.ts";
import { resolve } from "../../binding/resolve.ts";
import { kernelShard, topicShard } from "../../bus/routing.ts";
import { isDurable, partitionShards } from "../../bus/topics.ts";
import { kernelErrors } from "../../errors.ts";
import { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { emptyShard, type ShardState } from "../../ledger/shard-state.ts";
import { type Admission, admitAll } from "./admit.ts";
import { type Capsule, CapsuleTable } from "../node/capsule-table.ts";
import { ControlCalls } from "../node/control-calls.ts";
import { Counters } from "../node/counters.ts";
import { FlowDecider } from "../topics/flow-decider.ts";
import { FlowGate } from "../topics/flow-gate.ts";
import { FlowReports } from "../topics/flow-reports.ts";
import { groupOf } from "./host-group.ts";
import { followHeads } from "../ledger/head-signer.ts";
import { diagnostic, KernelShard } from "../node/kernel-shard.ts";
import { guardLease } from "../node/lease-guard.ts";
import { LedgerWatch } from "../ledger/ledger-watch.ts";
import type { Node } from "../node/node.ts";
import { NodeRuntime } from "../node/node-runtime.ts";
import { type NodeSnapshots, openNodeSnapshots } from "../ledger/node-snapshots.ts";
import type { NodeParts } from "../node/parts.ts";
import { OutsideCalls } from "../node/outside-calls.ts";
import { Partition } from "../topics/partition.ts";
import { recallNode } from "./recalled-node.ts";
import type { RecoveredShard } from "./recovery.ts";
import { Router, type Switchboard } from "../node/router.ts";
import { StateReads } from "../state/state-reads.ts";
import { ShardLog } from "../ledger/shard-log.ts";
import { recordTopics } from "./recorded-topics.ts";
import { capabilitiesOf, topicsOf } from "./wiring.ts";

const DEFAULT_ZONE = "ephemeral";
/** Less is what two readings of a clock may differ by. */
const CLOCK_BEHIND_NOTICED_MS = 1_000;

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
  const startedAt = parts.clock.now();
  const counters = new Counters();
  const run = parts.random.seed();
  const remote = parts.cluster && new RemoteRoutes(parts.cluster, parts.clock, counters, run);
  const isOwn = (shard: string): boolean => remote?.isOwn(shard) ?? true;
  const { recovered, denied, recorded } = await recallNode(parts, counters, isOwn);

  const board: Switchboard = {
    topics: new Map(),
    capabilities: new Map(),
    partitions: new Map(),
    shards: new Map(),
    devices: new Map(),
    slots: new Map(),
    flow: new FlowGate(),
  };
  const control = new ControlCalls(parts.clock, parts.random.seed());
  const reads = new StateReads({
    shards: board.shards,
    slots: board.slots,
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
    route: (entry, confirm) => router.route(entry, confirm),
    fail: (error) => runtime?.halt(error),
  });
  kernel.onRecorded((fact) => heads?.recorded(fact));
  keepTime(parts, recovered, kernel, counters);
  void kernel.record({ type: "booted", node: parts.node, boot: parts.random.seed() });
  const table = new CapsuleTable((fact) => kernel.record(fact));

  const admission = await admitAll(parts, denied);
  enrol(parts, admission, table, kernel);
  assertRequired(parts, admission);
  const running = choose(parts, table, kernel);
  const order = bind(parts, running, table, kernel, recorded);
  const bound = order.map((id) => table.get(id));

  board.topics = topicsOf(bound);
  board.capabilities = capabilitiesOf(bound);
  openPartitions(parts, board, recovered, openLog, counters, isOwn, snapshots);
  const offers = bound.flatMap(({ image }) => topicOffers(image));
  await recordTopics(kernel, recorded, offers);
  const known = new Set(recovered.keys());
  const decider = new FlowDecider({
    clock: parts.clock,
    counters,
    call: (...args) => outside.call(...args),
    record: (fact) => void kernel.record(fact),
  });
  const flowReports = new FlowReports({
    counters,
    clock: parts.clock,
    report: (fact) => kernel.report(fact),
    ask: (capsule, feed) => decider.ask(capsule, feed),
  });
  const shared = {
    parts,
    board,
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
  await runtime.activateAll(openShard, recovered);
  kernel.publish();
  await kernel.settled();
  runtime.booted();
  const { lease } = parts.ledger;
  if (lease !== undefined) guardLease(lease, { watch, log: parts.log, devices: () => board.devices });
  heads?.start();
  return runtime;
}

/** What is recorded is never in the future, and a clock that somebody sets is reported, not followed. */
function keepTime(
  { clock, log }: NodeParts,
  recovered: ReadonlyMap<string, RecoveredShard>,
  kernel: KernelShard,
  counters: Counters,
): void {
  const report = (code: "CLOCK_JUMPED" | "CLOCK_BEHIND_LEDGER", ms: number): void => {
    const error = kernelErrors.create(code, { ms });
    counters.add("clock.reported");
    log.warn({ code, remedy: error.remedy }, error.message);
    kernel.report(diagnostic("clock", "", error));
  };
  let newest = 0;
  for (const { state } of recovered.values()) newest = Math.max(newest, state.at);
  const behind = newest - clock.now();
  clock.notBefore(newest);
  if (behind >= CLOCK_BEHIND_NOTICED_MS) report("CLOCK_BEHIND_LEDGER", behind);
  clock.onWallJump((ms) => report("CLOCK_JUMPED", ms));
}

export function stateOf(
  recovered: ReadonlyMap<string, RecoveredShard>,
  shard: string,
): RecoveredShard["state"] {
  return recovered.get(shard)?.state ?? emptyShard(shard);
}

function enrol(parts: NodeParts, admission: Admission, table: CapsuleTable, kernel: KernelShard): void {
  for (const { manifest, image, origin, warnings } of admission.admitted) {
    const zone = manifest.security?.trust_zone ?? DEFAULT_ZONE;
    const capsule: Capsule = {
      id: manifest.id,
      version: manifest.version,
      manifest,
      image,
      origin,
      zone,
      group: groupOf(manifest, zone, parts.policy),
      state: "discovered",
      reason: "FOUND",
    };
    table.add(capsule);
    void table.move(capsule, { type: "admitted" });
    for (const warning of warnings) {
      parts.log.warn({ capsule: capsule.id, code: warning.code, file: warning.file }, warning.message);
    }
  }
  for (const { id, version, imageHash, origin, reasons } of admission.refused) {
    const [first] = reasons;
    const code = first?.code ?? "UNKNOWN";
    void kernel.record({
      type: "lifecycle",
      capsule: id ?? origin,
      version: version ?? "0.0.0",
      image: imageHash ?? "",
      from: "discovered",
      to: "quarantined",
      reason: code,
    });
    for (const reason of reasons) {
      const about = { type: "diagnostic", about: "admission", capsule: id ?? origin } as const;
      void kernel.record({ ...about, code: reason.code, message: reason.message });
      parts.log.warn({ capsule: id ?? origin, code: reason.code, file: reason.file, origin }, reason.message);
    }
  }
}

function assertRequired(parts: NodeParts, admission: Admission): void {
  const verified = new Set(admission.admitted.map(({ manifest }) => manifest.id));
  const missing = parts.policy.required.filter((id) => !verified.has(id));
  if (missing.length === 0) return;
  const why = admission.refused
    .filter(({ id }) => id !== null && missing.includes(id))
    .flatMap(({ id, reasons }) => reasons.map((reason) => `${id}: ${reason.code} ${reason.message}`));
  throw kernelErrors.create("NODE_REQUIRED_CAPSULE_MISSING", {
    missing: missing.join(", "),
    reasons: why.length === 0 ? "It was not found." : why.join("; "),
  });
}

/** What of the verified capsules is wanted here and can be run here. */
function choose(parts: NodeParts, table: CapsuleTable, kernel: KernelShard): readonly Capsule[] {
  const wanted = wantedIds(parts, table);
  return table.all().filter((capsule) => {
    if (!wanted.has(capsule.id)) return false;
    const error = unrunnable(parts, capsule);
    if (error === undefined) return true;
    refuse(parts, table, kernel, capsule, error);
    return false;
  });
}

/** The configured ids, what policy requires, and whatever provides what those require. */
function wantedIds(parts: NodeParts, table: CapsuleTable): ReadonlySet<string> {
  const all = table.all();
  if (parts.run === undefined) return new Set(all.map(({ id }) => id));
  const wanted = new Set([...parts.run, ...parts.policy.required]);
  const nameOf = (text: string): string => text.split("@")[0] as string;
  for (let size = -1; size !== wanted.size; ) {
    size = wanted.size;
    for (const { id, manifest } of all) {
      if (!wanted.has(id)) continue;
      const needs = new Set((manifest.capabilities.requires ?? []).map(nameOf));
      for (const other of all) {
        if (other.manifest.capabilities.provides.some((one) => needs.has(nameOf(one)))) wanted.add(other.id);
      }
    }
  }
  return wanted;
}

function unrunnable(parts: NodeParts, { id, zone, manifest }: Capsule): VnesError | undefined {
  if (zone !== "system" && !parts.unconfinedDev)
    return kernelErrors.create("CAPSULE_ZONE_UNCONFINED", { capsule: id, zone });
  const interfaces = manifest.interfaces ?? {};
  if (typeof interfaces["javascript"] === "string") return undefined;
  const offered = Object.keys(interfaces).join(", ") || "none";
  return kernelErrors.create("CAPSULE_INTERFACE_UNSUPPORTED", { capsule: id, interfaces: offered });
}

function bind(
  parts: NodeParts,
  running: readonly Capsule[],
  table: CapsuleTable,
  kernel: KernelShard,
  recorded: ReadonlyMap<string, TopicOffer>,
): readonly string[] {
  const bindable = running.map((capsule) => ({ ...capsule, topics: topicOffers(capsule.image) }));
  const bindings = resolve(bindable, parts.policy, recorded);
  for (const { id, reasons } of bindings.refused) {
    for (const reason of reasons) {
      const about = { type: "diagnostic", about: "binding", capsule: id } as const;
      void kernel.record({ ...about, code: reason.code, message: reason.message });
      parts.log.error({ capsule: id, code: reason.code, remedy: reason.remedy }, reason.message);
    }
    void table.move(table.get(id), { type: "stopped", reason: reasons[0]?.code ?? "BINDING_REFUSED" });
  }
  return bindings.order;
}

function refuse(
  parts: NodeParts,
  table: CapsuleTable,
  kernel: KernelShard,
  capsule: Capsule,
  error: VnesError,
): void {
  void kernel.record(diagnostic("capsule", capsule.id, error));
  parts.log.error({ capsule: capsule.id, code: error.code, remedy: error.remedy }, error.message);
  void table.move(capsule, { type: "stopped", reason: error.code });
}

function openPartitions(
  parts: NodeParts,
  board: Switchboard,
  recovered: ReadonlyMap<string, RecoveredShard>,
  openLog: (shard: string) => ShardLog,
  counters: Counters,
  isOwn: (shard: string) => boolean,
  nodeSnapshots: NodeSnapshots,
): void {
  for (const [topic, definition] of board.topics) {
    if (!isDurable(definition)) continue;
    partitionShards(definition).forEach((shard, index) => {
      if (!isOwn(shard)) return;
      const { ledger: store, clock } = parts;
      const [state, log] = [stateOf(recovered, shard), openLog(shard)];
      const snapshots = nodeSnapshots.addPartition(state, log, definition.definition.retention);
      const partition = { shard, topic, index, log, store, clock, counters, state, snapshots };
      board.partitions.set(topicShard(topic, index), new Partition(partition));
    });
  }
}

async function closeAll(parts: NodeParts): Promise<void> {
  await parts.sandbox[Symbol.asyncDispose]();
  await parts.device[Symbol.asyncDispose]();
  await parts.cluster?.messenger[Symbol.asyncDispose]();
  await parts.ledger[Symbol.asyncDispose]();
}
