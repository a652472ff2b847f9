/** What one instance may use: what its manifest asks for, at most what policy allows its zone. */
import type { Manifest, Policy, TrustZone } from "@vnes/schemas";
import { DEFAULT_MEMORY_MB } from "../../admission/program.ts";
import type { SandboxLimits } from "../../ports/sandbox.ts";

/** For a zone the policy says nothing of. */
const DEFAULT_TURN_MS = 1_000;
/** isolated-vm accepts no less. */
const MIN_MEMORY_MB = 8;
/** Of an instance's memory, for the keys it caches: values take more than their JSON, and the rest is for the turn. */
const CACHE_SHARE = 1 / 4;
/** Well below what a messenger between nodes carries in one message. */
const EFFECT_BYTES = 768 * 1024;

/** Per shard, for a zone the policy says nothing of: many times what a capsule keeps of its own. */
const DEFAULT_STATE_MB = 64;
/** The system's capsules keep something for each client of a node: 100,000 sessions of 2 KB. */
const DEFAULT_SYSTEM_STATE_MB = 256;

/** Bytes that keys and timers of one shard may come to. */
export function maxStateSize(zone: TrustZone, policy: Policy): number {
  const otherwise = zone === "system" ? DEFAULT_SYSTEM_STATE_MB : DEFAULT_STATE_MB;
  return (policy.limits[zone]?.state_mb ?? otherwise) * 1024 * 1024;
}

export function limitsOf(manifest: Manifest, zone: TrustZone, policy: Policy): SandboxLimits {
  const allowed = policy.limits[zone] ?? { memory_mb: DEFAULT_MEMORY_MB, turn_ms: DEFAULT_TURN_MS };
  const memoryMb = Math.min(manifest.runtime?.memory_limit_mb ?? DEFAULT_MEMORY_MB, allowed.memory_mb);
  const turnMs = Math.min(manifest.runtime?.timeout_ms ?? DEFAULT_TURN_MS, allowed.turn_ms);
  const givenMb = Math.max(MIN_MEMORY_MB, memoryMb);
  return {
    memoryMb: givenMb,
    turnMs,
    cacheBytes: CACHE_SHARE * givenMb * 1024 * 1024,
    effectBytes: EFFECT_BYTES,
  };
}
