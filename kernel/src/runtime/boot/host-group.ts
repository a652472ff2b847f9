/** Which capsules share a sandbox host: what policy groups, otherwise what the zone allows. */
import type { Manifest, Policy, TrustZone } from "@vnes/schemas";

export function groupOf(manifest: Manifest, zone: TrustZone, policy: Policy): string {
  const rule = policy.hosts.find(({ match }) => matches(match, manifest.id));
  if (rule !== undefined) return rule.group;
  switch (zone) {
    case "system":
      return "system";
    case "tenant":
      return `tenant/${manifest.governance.owner ?? manifest.id}`;
    case "session":
      return `session/${manifest.id}`;
    case "ephemeral":
      return `ephemeral/${manifest.id}`;
  }
}

function matches(pattern: string, id: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith(".*") ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
}
