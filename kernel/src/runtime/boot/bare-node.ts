/**
 * A node before it has capsules: what it recalled from its ledger, the switchboard with nobody on it, its own shard, and the writing
 * ends of the shards that capsules and topics are given later.
 */
import type { VnesError } from "@vnes/schemas";
import { kernelShard } from "../../bus/routing.ts";
import { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { followHeads } from "../ledger/head-signer.ts";
import type { LedgerWatch } from "../ledger/ledger-watch.ts";
import { openNodeSnapshots } from "../ledger/node-snapshots.ts";
import { ShardLog } from "../ledger/shard-log.ts";
import { CapsuleTable } from "../node/capsule-table.ts";
import { ControlCalls } from "../node/control-calls.ts";
import { Counters } from "../node/counters.ts";
import { KernelShard } from "../node/kernel-shard.ts";
import type { NodeContext } from "../node/node-context.ts";
import { OutsideCalls } from "../node/outside-calls.ts";
import type { NodeParts } from "../node/parts.ts";
import { Router, type Switchboard } from "../node/router.ts";
import { StateReads } from "../state/state-reads.ts";
import { FlowGate } from "../topics/flow-gate.ts";
import type { OpenShard } from "./capsule-opening.ts";
import { keepTime } from "./node-time.ts";
import { recallNode, type RecalledNode } from "./recalled-node.ts";
import { stateOf } from "./recovery.ts";

/** Of a running node everything that does not depend on which capsules it has. */
export interface BareNode extends Omit<NodeContext, "order" | "known" | "flowReports" | "budgets"> {
  readonly recalled: RecalledNode;
  /** False for shards that another node writes. */
  readonly isOwn: (shard: string) => boolean;
  /** The writing end of a shard, where recovery left it. */
  readonly openLog: (shard: string) => ShardLog;
  readonly openShard: OpenShard;
  /** Calls back when the ledger is lost to the node. */
  onLost(listener: (error: unknown) => void): void;
}

export async function openBareNode(parts: NodeParts, watch: LedgerWatch): Promise<BareNode> {
  const beganAt = parts.clock.now();
  const counters = new Counters();
  const run = parts.random.seed();
  const remote = parts.cluster && new RemoteRoutes(parts.cluster, parts.clock, counters, run);
  const isOwn = (shard: string): boolean => remote?.isOwn(shard) ?? true;
  const recalled = await recallNode(parts, counters, isOwn);
  const { recovered } = recalled;

  const table = new CapsuleTable((fact) => kernel.record(fact));
  const switches = openSwitches(parts, counters, table, remote);
  const { board, router } = switches;
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
  const openShard: OpenShard = (shard) => {
    const opened = { state: stateOf(recovered, shard), log: openLog(shard) };
    snapshots.addShard(opened.state, opened.log);
    return opened;
  };

  let lost: ((error: unknown) => void) | undefined;
  const kernel = new KernelShard({
    ...openShard(name),
    clock: parts.clock,
    board,
    counters,
    route: (...effect) => router.route(...effect),
    fail: (error) => lost?.(error),
  });
  kernel.onRecorded((fact) => heads?.recorded(fact));
  const startedAt = beganAt + keepTime(parts, recovered, kernel, counters);
  void kernel.record({ type: "booted", node: parts.node, boot: parts.random.seed() });

  return {
    ...switches,
    parts,
    watch,
    counters,
    remote,
    recalled,
    table,
    heads,
    snapshots,
    kernel,
    startedAt,
    isOwn,
    openLog,
    openShard,
    onLost: (listener) => {
      lost = listener;
    },
  };
}

type Switches = Pick<NodeContext, "board" | "control" | "reads" | "router" | "outside">;

/** Who finds whom, with nobody there yet. */
function openSwitches(
  { clock, random, ledger, policy }: NodeParts,
  counters: Counters,
  table: CapsuleTable,
  remote: RemoteRoutes | undefined,
): Switches {
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
  const control = new ControlCalls(clock, random.seed());
  const reads = new StateReads({
    ledger,
    shards: board.shards,
    slots: board.slots,
    policy,
    manifestOf: (id) => table.find(id)?.manifest,
    otherOwner: (shard) => remote?.otherOwner(shard),
  });
  const router = new Router(board, control, counters, reads, remote);
  return { board, control, reads, router, outside: new OutsideCalls(board, control, remote) };
}
