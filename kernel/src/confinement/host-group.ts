/**
 * Which capsules share a sandbox host: what policy groups, never further than the zone allows.
 *
 * 1. A host has capsules of one zone only.
 * 2. In zones tenant and session a host has capsules of one tenant only.
 * 3. An ephemeral capsule shares with nobody, whatever policy says.
 */
import type { Manifest, Policy, TrustZone } from "@vnes/schemas";
import { matchesId } from "../admission/trust.ts";
import { tenantOf } from "../binding/tenant.ts";

export interface HostGroup {
  readonly group: string;
  /** The rule of the policy that grouped it; undefined: the zone did. */
  readonly rule?: string;
}

export function groupOf(manifest: Manifest, zone: TrustZone, policy: Policy): HostGroup {
  const { id } = manifest;
  const rule = policy.hosts.find(({ match }) => matchesId(match, id));
  const byRule = rule === undefined ? {} : { rule: rule.match };
  switch (zone) {
    case "system":
      return { group: rule?.group ?? "system", ...byRule };
    // No tenant has a colon: what the policy says stands behind one, and looks like no other tenant and like no capsule.
    case "tenant":
      return {
        group: `tenant/${tenantOf(manifest)}${rule === undefined ? "" : `:${rule.group}`}`,
        ...byRule,
      };
    case "session":
      return {
        group: `session/${tenantOf(manifest)}${rule === undefined ? `/${id}` : `:${rule.group}`}`,
        ...byRule,
      };
    case "ephemeral":
      return { group: `ephemeral/${id}` };
  }
}
