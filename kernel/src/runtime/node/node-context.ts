/** What the parts of a running node share: the drivers, and the tables that say who is where. */
import { isVnesError, type Json } from "@vnes/schemas";
import type { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { shardNames } from "../../placement/shard-names.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { Budgets } from "./budgets.ts";
import type { Capsule, CapsuleTable } from "./capsule-table.ts";
import type { ControlCalls } from "./control-calls.ts";
import type { Counters } from "./counters.ts";
import type { FlowReports } from "../topics/flow-reports.ts";
import type { HeadSigner } from "../ledger/head-signer.ts";
import type { KernelShard } from "./kernel-shard.ts";
import type { LedgerWatch } from "../ledger/ledger-watch.ts";
import type { NodeSnapshots } from "../ledger/node-snapshots.ts";
import type { OutsideCalls } from "./outside-calls.ts";
import type { NodeParts } from "./parts.ts";
import type { StateReads } from "../state/state-reads.ts";
import type { Router, Switchboard } from "./router.ts";

export interface NodeContext {
  readonly parts: NodeParts;
  readonly board: Switchboard;
  readonly control: ControlCalls;
  readonly router: Router;
  readonly outside: OutsideCalls;
  readonly reads: StateReads;
  readonly table: CapsuleTable;
  readonly kernel: KernelShard;
  readonly counters: Counters;
  readonly flowReports: FlowReports;
  readonly watch: LedgerWatch;
  readonly budgets: Budgets;
  readonly snapshots: NodeSnapshots;
  /** Undefined on a node without a key of its own. */
  readonly heads: HeadSigner | undefined;
  /** Ids in the order of activation. */
  readonly order: readonly string[];
  readonly startedAt: number;
  /** Names of the shards that had records when the node booted. */
  readonly known: ReadonlySet<string>;
  /** The other nodes; undefined for a node that stands alone. */
  readonly remote: RemoteRoutes | undefined;
}

/** Names of the shards a capsule has, here or on other nodes. */
export function shardsOf(
  { parts }: { readonly parts: Pick<NodeParts, "node" | "cluster"> },
  { manifest }: Pick<Capsule, "manifest">,
): readonly string[] {
  return shardNames(manifest, { node: parts.node, isAlone: parts.cluster === undefined });
}

/** Those of them that are loaded on this node. */
export function loadedShards(
  { board, parts }: Pick<NodeContext, "board" | "parts">,
  capsule: Capsule,
): readonly CapsuleShard[] {
  return shardsOf({ parts }, capsule).flatMap((name) => board.shards.get(name) ?? []);
}

export function errorText(
  error: unknown,
): { readonly code: string; readonly message: string } & { [k: string]: Json } {
  if (isVnesError(error)) return { code: error.code, message: error.message };
  return { code: "UNEXPECTED", message: error instanceof Error ? error.message : String(error) };
}
