/** What a capsule of a zone is kept from under the policy of a new node, on this machine; with a wall around zone system too, if told. */
import { type Confinement, confinementOf, type Platform } from "@vnes/kernel";
import { defaultPolicy } from "@vnes/registry";
import type { Manifest, Policy, TrustZone } from "@vnes/schemas";

const MANIFEST: Manifest = {
  id: "hostile.capsule",
  version: "1.0.0",
  type: "logic",
  description: "means harm",
  capabilities: { provides: [] },
  governance: { tier: "local", audit_level: "none" },
};

const WALLED: Pick<Policy, "confinement"> = { confinement: { system: { wall: "namespaces" } } };

export function confinementFor(zone: TrustZone, platform: Platform, { isWalled = false } = {}): Confinement {
  const policy = { ...defaultPolicy(), ...(isWalled ? WALLED : {}) };
  const question = { manifest: MANIFEST, zone, policy, platform, unconfinedDev: false };
  const decision = confinementOf(question);
  if (decision.kind === "refused") throw new Error(`no confinement for zone ${zone}`);
  return decision.confinement;
}
