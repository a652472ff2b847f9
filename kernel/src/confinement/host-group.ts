/**
 * Which capsules share a sandbox host: what policy groups, never further than the zone allows.
 *
 * 1. A host has capsules of one zone only.
 * 2. In zones tenant and session a host has capsules of one tenant only. A tenant is a namespace, which only certain keys may sign for, and
 *    the owner named in the manifest, which anybody may write.
 * 3. An ephemeral capsule shares with nobody, whatever policy says.
 */
import type { Manifest, Policy, TrustZone } from "@vnes/schemas";

export interface HostGroup {
  readonly group: string;
  /** The rule of the policy that grouped it; undefined: the zone did. */
  readonly rule?: string;
}

export function groupOf(manifest: Manifest, zone: TrustZone, policy: Policy): HostGroup {
  const { id } = manifest;
  const rule = policy.hosts.find(({ match }) => matches(match, id));
  const byRule = rule === undefined ? {} : { rule: rule.match };
  switch (zone) {
    case "system":
      return { group: rule?.group ?? "system", ...byRule };
    case "tenant":
      return {
        group: `tenant/${tenantOf(manifest)}${rule === undefined ? "" : `/${rule.group}`}`,
        ...byRule,
      };
    case "session":
      return { group: `session/${tenantOf(manifest)}/${rule?.group ?? id}`, ...byRule };
    case "ephemeral":
      return { group: `ephemeral/${id}` };
  }
}

function tenantOf({ id, governance }: Manifest): string {
  const [namespace = id] = id.split(".");
  // Written so that no owner can look like another one's group.
  return governance.owner === undefined ? id : `${namespace}/${encodeURIComponent(governance.owner)}`;
}

function matches(pattern: string, id: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith(".*") ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
}
