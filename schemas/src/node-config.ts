/** `config.json` of a node: one file, one schema; flags override. Schema: `schemas/node-config.schema.json`. */
import type { Json } from "./json.ts";

export interface NodeConfig {
  readonly schema_version: "v1";
  /** Node name: lower case, digits and dashes. */
  readonly node: string;
  /** Directory of this node's ledger, keys, quarantine and control socket. */
  readonly data_dir?: string;
  readonly registry?: string;
  readonly policy?: string;
  readonly trust?: string;
  readonly log?: { readonly level?: "debug" | "info" | "warn" | "error" };
  readonly capsules?: {
    /** Ids to activate; absent: everything verified. */
    readonly run?: readonly string[];
    /** Capsule id to what its start delivery carries. */
    readonly config?: { readonly [id: string]: Json };
  };
}
