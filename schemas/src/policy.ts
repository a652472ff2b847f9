/** `policy.json`: what this node lets in, where it runs, and how much it may use. Schema: `schemas/policy.schema.json`. */
import type { DeterminismTier, GovernanceTier, TrustZone } from "./manifest.ts";

export interface AdmissionRule {
  /** Capsule ids: exact, or a prefix ending in `.*`; `*` for all. The first rule that matches decides. */
  readonly match: string;
  readonly tiers: readonly GovernanceTier[];
  readonly determinism: readonly DeterminismTier[];
  readonly zones: readonly TrustZone[];
}

/** What a host of a zone is kept to. Whatever is absent is the zone's default (`docs/sandboxes.md`). */
export interface ZoneConfinement {
  /** MiB of the whole host: of every capsule in it and of what runs them. */
  readonly memory_mb?: number;
  /** Processes and threads. */
  readonly pids?: number;
  /** Of one core: 200 is two of them. */
  readonly cpu_percent?: number;
  /** 0 to 19. */
  readonly nice?: number;
  /** Descriptors of one process. */
  readonly open_files?: number;
  /** MiB of a `/tmp` in memory, and of the largest file; 0: none. */
  readonly scratch_mb?: number;
  /** MiB of one message to the kernel. */
  readonly message_mb?: number;
  /** For zone system only; the others always stand behind namespaces. */
  readonly wall?: "none" | "namespaces";
}

export interface Policy {
  readonly schema_version: "v1";
  /** Capsules that must be verified, or the node refuses to boot. */
  readonly required: readonly string[];
  readonly admission: readonly AdmissionRule[];
  /** Which capsules may have which host power. Nothing is granted that is not here. */
  readonly powers: readonly { readonly power: string; readonly to: readonly string[] }[];
  /** Capsules that share a host with nobody outside their group. The first that matches decides; otherwise the zone. */
  readonly hosts: readonly { readonly match: string; readonly group: string }[];
  /** Zones that may provide to a requirer of the given zone; a zone always may provide to itself. */
  readonly providers: { readonly [zone in TrustZone]?: readonly TrustZone[] };
  /** Exceptions to what zones and tenants say. The first line that names what is used decides. Nothing is passed on: who may use is a capsule by id. */
  readonly access?: readonly AccessRule[];
  readonly limits: {
    readonly [zone in TrustZone]?: {
      readonly memory_mb: number;
      readonly turn_ms: number;
      /** Keys and timers of one shard, kept in the kernel's memory. Default 64. */
      readonly state_mb?: number;
    };
  };
  /** What one capsule may use of a node while it runs. Over a rate it is slowed; when that lasts it is suspended. */
  readonly budgets?: { readonly [zone in TrustZone]?: BudgetRules };
  readonly confinement?: { readonly [zone in TrustZone]?: ZoneConfinement };
  /** History each shard keeps behind its newest snapshot, for time travel and replay; what is beyond either may go. */
  readonly retention?: {
    /** Default 100,000. */
    readonly history_records?: number;
    /** Default 30 days. */
    readonly history_age_ms?: number;
  };
}

export const ACCESS_USES = ["call", "publish", "subscribe", "read"] as const;
export type AccessUse = (typeof ACCESS_USES)[number];

export interface AccessRule {
  /** Of a capability without version or a topic, for `read` the capsule that owns the keys: exact, or a prefix ending in `.*`; `*` for all. */
  readonly name: string;
  /** Default: every use. */
  readonly use?: readonly AccessUse[];
  /** Capsule ids, in the same form; none: nobody. */
  readonly to: readonly string[];
}

/** A rate that is left out is not limited. */
export interface BudgetRules {
  readonly turns_per_s?: number;
  /** Effects asked for. */
  readonly messages_per_s?: number;
  /** KiB of JSON to the sandbox and from it. */
  readonly kb_per_s?: number;
  /** Milliseconds of processor time. */
  readonly cpu_ms_per_s?: number;
  /** MiB in use by all of its shards. */
  readonly memory_mb?: number;
  /** Milliseconds of being slowed without a break before it is suspended. Default 30,000. */
  readonly patience_ms?: number;
  /** Milliseconds from suspension to resumption; left out, only a person resumes it. */
  readonly resume_after_ms?: number;
}
