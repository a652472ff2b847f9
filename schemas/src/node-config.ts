/** `config.json` of a node: one file, one schema; flags override. Schema: `schemas/node-config.schema.json`. */
import type { Json } from "./json.ts";
import { documentSchema } from "./validator.ts";

/** NATS servers that keep the ledger of a node. */
export interface BusConfig {
  /** `nats://host:port` or `tls://host:port`, without user and password. */
  readonly servers: readonly string[];
  /** Systems that share servers have different ones; `main` unless given. */
  readonly namespace?: string;
  /** Ledger groups of the namespace, 16 unless given; the same on every node, and never changed. */
  readonly groups?: number;
  /** Numbers of the groups this node owns; absent: all. */
  readonly owns?: readonly number[];
  /** Copies of each stream made; absent: 3 in a cluster, 1 on a server alone. */
  readonly replicas?: number;
  /** Path of a .creds file. */
  readonly credentials?: string;
  /** Path of a file with the user on its first line and the password on its second. */
  readonly login?: string;
}

export interface NodeConfig {
  readonly schema_version: "v1";
  /** Node name: lower case, digits and dashes. */
  readonly node: string;
  /** Directory of this node's ledger, keys, quarantine and control socket. */
  readonly data_dir?: string;
  readonly registry?: string;
  readonly policy?: string;
  readonly trust?: string;
  readonly bus?: BusConfig;
  /** The nodes that run one program together; absent: this one stands alone. The same on every node. */
  readonly cluster?: {
    /** Node name to the numbers of the ledger groups it owns; every group has one owner. */
    readonly owners: { readonly [node: string]: readonly number[] };
  };
  readonly log?: { readonly level?: "debug" | "info" | "warn" | "error" };
  readonly capsules?: {
    /** Ids to activate; absent: everything verified. */
    readonly run?: readonly string[];
    /** Capsule id to what its start delivery carries. */
    readonly config?: { readonly [id: string]: Json };
  };
}

/** Whether a node can be called so, as the schema says of its `node`; for a name that stands in no file. */
export function isNodeName(name: string): boolean {
  const { properties } = documentSchema("node-config") as unknown as {
    readonly properties: { readonly node: { readonly maxLength: number; readonly pattern: string } };
  };
  const { maxLength, pattern } = properties.node;
  return name.length <= maxLength && new RegExp(pattern).test(name);
}
