/** Everything a node is given. The kernel makes none of it: the perimeter (`cli/src/main.ts`, a test) hands it in. */
import type { Json, Policy, TrustDocument } from "@vnes/schemas";
import type { Cluster } from "../../cluster/remote-routes.ts";
import type { SnapshotPolicy } from "../../ledger/snapshot-policy.ts";
import type { CapsuleSource } from "../../ports/capsule-source.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Device } from "../../ports/device.ts";
import type { Digest, SignatureVerifier } from "../../ports/digest.ts";
import type { ImageArchive } from "../../ports/image-archive.ts";
import type { Platform } from "../../confinement/confinement.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { Log } from "../../ports/log.ts";
import type { Quarantine } from "../../ports/quarantine.ts";
import type { Random } from "../../ports/random.ts";
import type { Sandbox } from "../../ports/sandbox.ts";
import type { BusStatus } from "./node.ts";
import type { Signer } from "../../ports/signer.ts";

export interface NodeParts {
  /** Node name; part of the name of the kernel's own shard. */
  readonly node: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly digest: Digest;
  readonly verifier: SignatureVerifier;
  readonly log: Log;
  /** Disposed by the node. */
  readonly ledger: LedgerStore;
  /** Where a shared ledger is reached, for `status`; absent for a ledger of the node's own. */
  readonly bus?: () => BusStatus;
  /** Disposed by the node. */
  readonly sandbox: Sandbox;
  /** Disposed by the node. */
  readonly device: Device;
  /** Asked in order; the first image of an id counts. */
  readonly sources: readonly CapsuleSource[];
  /** Where every image that is activated is kept; absent: only what runs now can be run again. */
  readonly archive?: ImageArchive;
  /** Signs the heads of shards and execution receipts; absent: neither is made. */
  readonly signer?: Signer;
  readonly quarantine: Quarantine;
  readonly policy: Policy;
  readonly trust: TrustDocument;
  /** Ids to activate; undefined: everything verified. What they require is activated too. */
  readonly run: readonly string[] | undefined;
  /** What each capsule's start delivery carries; null when absent. */
  readonly config: { readonly [capsule: string]: Json };
  /** When shards write snapshots; absent: as a node in use does. */
  readonly snapshots?: SnapshotPolicy;
  /** What this machine can keep a host from; absent: nothing. */
  readonly platform?: Platform;
  /** Runs capsules of every zone without walls. */
  readonly unconfinedDev: boolean;
  /** The other nodes this one shares its shards with; absent: it stands alone. */
  readonly cluster?: Cluster;
}
