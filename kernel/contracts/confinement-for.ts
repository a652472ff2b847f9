/** What a capsule of a zone is kept from under the policy of a new node, on this machine. */
import { type Confinement, confinementOf, type Platform } from "@vnes/kernel";
import { defaultPolicy } from "@vnes/registry";
import type { Manifest, TrustZone } from "@vnes/schemas";

const MANIFEST: Manifest = {
  id: "hostile.capsule",
  version: "1.0.0",
  type: "logic",
  description: "means harm",
  capabilities: { provides: [] },
  governance: { tier: "local", audit_level: "none" },
};

export function confinementFor(zone: TrustZone, platform: Platform): Confinement {
  const question = { manifest: MANIFEST, zone, policy: defaultPolicy(), platform, unconfinedDev: false };
  const decision = confinementOf(question);
  if (decision.kind === "refused") throw new Error(`no confinement for zone ${zone}`);
  return decision.confinement;
}
