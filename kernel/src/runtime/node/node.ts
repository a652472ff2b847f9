/** A node: what the command line, a test or an embedding program holds. */
import type { Answer, Json, TrustZone } from "@vnes/schemas";
import type { Reason } from "../../admission/verdict.ts";
import type { CapsuleState } from "../../lifecycle/lifecycle.ts";
import type { NodeState } from "../state/node-state.ts";
import type { QuarantineEntry } from "../../ports/quarantine.ts";
import type { RefusedCapsule } from "./capsule-table.ts";
import type { ReceiptRequest } from "../ledger/receipt-export.ts";
import type { CapsuleReplayOptions, CapsuleReplayReport } from "../replay/replays.ts";
import type { TopicControl } from "../topics/topic-control.ts";

export interface CapsuleStatus {
  readonly id: string;
  readonly version: string;
  readonly type: string;
  readonly zone: TrustZone;
  readonly state: CapsuleState;
  /** Code of the reason of the last transition. */
  readonly reason: string;
  readonly imageHash: string;
  readonly origin: string;
  readonly group: string;
  readonly turns: number;
  readonly failedTurns: number;
  readonly deadLetters: number;
  readonly restarts: number;
  /** Last record of each shard. */
  readonly shards: { readonly [shard: string]: number };
}

/** The servers a node shares with others. */
export interface BusStatus {
  readonly servers: readonly string[];
  readonly namespace: string;
  readonly connected: boolean;
  /** Of the server it is connected to, or was last. */
  readonly version: string;
}

export interface NodeStatus {
  readonly node: string;
  readonly pid: number;
  /** `running`; `degraded` names what is wrong in `problems`; `stopping`. */
  readonly state: "running" | "degraded" | "stopping";
  readonly problems: readonly Reason[];
  readonly bootedAt: number;
  readonly now: number;
  readonly bootMs: number;
  readonly capsules: readonly CapsuleStatus[];
  /** Entries of the quarantine, those of earlier boots included. */
  readonly quarantined: number;
  /** What this boot put there and has no other image of. */
  readonly refused: readonly RefusedCapsule[];
  readonly ledger: {
    /** Records written in all, trimmed ones included. */
    readonly records: number;
    /** Those of them that were not trimmed; absent when the store cannot say. */
    readonly kept?: number;
    readonly shards: number;
    /** Records that a boot would fold now. */
    readonly sinceSnapshot: number;
    /** What the store takes; absent when it cannot say. */
    readonly bytes?: number;
  };
  readonly bus?: BusStatus;
  /** Everything that was dropped or refused while running, by name; nothing is dropped without a count here. */
  readonly counters: { readonly [name: string]: number };
}

export interface Node {
  /** The keys of its capsules: as they are, as they were, what changed; and branches of them. */
  readonly state: Pick<NodeState, "read" | "at" | "history" | "diff" | "shardName" | "branches">;
  status(): Promise<NodeStatus>;
  /** Manifest, receipt, hashes, bindings, limits and meters of one capsule; rejects with `CAPSULE_UNKNOWN`. */
  inspect(id: string): Promise<Json>;
  suspend(id: string): Promise<CapsuleStatus>;
  resume(id: string): Promise<CapsuleStatus>;
  unload(id: string): Promise<CapsuleStatus>;
  /** Runs what a capsule's shard recorded again; a deterministic capsule that comes out otherwise is suspended. */
  replay(id: string, options?: CapsuleReplayOptions): Promise<CapsuleReplayReport>;
  readonly topics: TopicControl;
  /** What a capsule's shard did, in one signed file for somebody else; rejects with `EXECUTION_RECEIPT_*`. */
  exportReceipt(id: string, request: ReceiptRequest): Promise<Uint8Array>;
  quarantined(): Promise<readonly QuarantineEntry[]>;
  /** Asks a capability as a person at the command line does (`caller` is `control`). */
  call(capability: string, method: string, input: Json, timeoutMs: number): Promise<Answer>;
  /** Shuts capsules down in reverse order of activation and closes the ledger. */
  [Symbol.asyncDispose](): Promise<void>;
}
