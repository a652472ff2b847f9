/** `manifest.json`: what a capsule says it is. Schema: `schemas/manifest.schema.json`. */
import type { Json, JsonObject } from "./json.ts";
import type { SubscriptionEntry } from "./subscription.ts";

export const CAPSULE_TYPES = [
  "logic",
  "pipeline",
  "resource",
  "policy",
  "driver",
  "ui",
  "dataset",
  "test",
] as const;
export type CapsuleType = (typeof CAPSULE_TYPES)[number];

export const TRUST_ZONES = ["system", "tenant", "session", "ephemeral"] as const;
export type TrustZone = (typeof TRUST_ZONES)[number];

export const GOVERNANCE_TIERS = ["core", "platform", "extension", "experimental", "local"] as const;
export type GovernanceTier = (typeof GOVERNANCE_TIERS)[number];

/** Strongest first: a requirement met only by something later in this list than the requirer is refused. */
export const DETERMINISM_TIERS = [
  "D0_bit_exact",
  "D1_numerically_stable",
  "D2_soft_deterministic",
  "NX_experimental",
] as const;
export type DeterminismTier = (typeof DETERMINISM_TIERS)[number];

export const LATENCY_CLASSES = ["offline", "batch", "interactive", "realtime"] as const;
export type LatencyClass = (typeof LATENCY_CLASSES)[number];

/** Interfaces that a sandbox runs, in the order in which one is chosen where a manifest names several. */
export const CAPSULE_LANGUAGES = ["javascript", "wasm", "python", "native"] as const;
export type CapsuleLanguage = (typeof CAPSULE_LANGUAGES)[number];

export interface Manifest {
  readonly schema_version?: string;
  readonly id: string;
  readonly version: string;
  readonly type: CapsuleType;
  readonly description: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly capabilities: {
    /** `name` or `name@version`; other capsules require these. */
    readonly provides: readonly string[];
    /** `name` or `name@range`. */
    readonly requires?: readonly string[];
    /** Entries of `requires` that may be missing; read it with `isOptionalRequirement`. */
    readonly x_optional?: readonly string[];
    /** References into the capsule's own spec, such as `spec/schema.json#/$defs/vpn.session.create.input`. */
    readonly input_schemas?: readonly string[];
    readonly output_schemas?: readonly string[];
    readonly determinism_tier?: DeterminismTier;
    readonly latency_class?: LatencyClass;
  };
  /** Language to entry point: `javascript: "impl/main.js"`, `python: "impl.main:run"`. */
  readonly interfaces?: JsonObject;
  readonly governance: {
    readonly tier: GovernanceTier;
    readonly audit_level: "none" | "low" | "standard" | "elevated" | "critical";
    readonly owner?: string;
    readonly reviewed_by?: readonly string[];
    readonly [key: string]: Json | undefined;
  };
  readonly runtime?: {
    readonly language?: string;
    readonly requires_gpu?: boolean;
    /** Deadline of one turn in milliseconds. */
    readonly timeout_ms?: number;
    readonly memory_limit_mb?: number;
    readonly [key: string]: Json | undefined;
  };
  readonly security?: {
    readonly trust_zone?: TrustZone;
    readonly sandbox_class?: string;
    /** Host powers a driver asks for, such as `net.udp`; policy must grant each. */
    readonly resources?: readonly string[];
    readonly [key: string]: Json | undefined;
  };
  readonly lineage?: {
    readonly derived_from?: readonly string[];
    readonly supersedes?: readonly string[];
    readonly [key: string]: Json | undefined;
  };
  readonly bus?: {
    /** Topics such as `vpn.session.v1`. */
    readonly publishes?: readonly string[];
    /** Topics of `publishes` that may be missing; read it with `isOptionalTopic`. */
    readonly x_optional?: readonly string[];
    /** A topic, or a topic with how it is to be delivered; read it with `subscriptionsOf`. */
    readonly subscribes?: readonly (string | SubscriptionEntry)[];
  };
  readonly state?: {
    /** Key prefixes; a write outside of them fails its turn. */
    readonly owns: readonly string[];
    /** Number of shards, fixed for the life of the capsule id. Default 1. */
    readonly shards?: number;
    /** `each_node`: one shard on every node, for a capsule that works with a node's own devices. Default `cluster`. */
    readonly placement?: "cluster" | "each_node";
    /** Key prefixes that other capsules may read. Default none. */
    readonly shares?: readonly string[];
    /** Prefixes of other capsules' keys this one may read. Default none. */
    readonly reads?: readonly { readonly capsule: string; readonly prefix: string }[];
  };
}

export const DEFAULT_TRUST_ZONE: TrustZone = "ephemeral";
export const DEFAULT_DETERMINISM_TIER: DeterminismTier = "NX_experimental";
