/** Does this node's policy let the capsule in, as what it declares to be. What no rule allows is refused. */
import { DEFAULT_DETERMINISM_TIER, DEFAULT_TRUST_ZONE, type Manifest, type Policy } from "@vnes/schemas";
import { admissionReason } from "./errors.ts";
import { matchesId, type Subject } from "./trust.ts";
import type { Reason } from "./verdict.ts";

const FILE = "manifest.json";

/** What signatures have to be for. */
export function subjectOf(manifest: Manifest): Subject {
  const { id, governance } = manifest;
  return { id, tier: governance.tier, zone: zoneOf(manifest), owner: governance.owner };
}

export function policyReasons(manifest: Manifest, policy: Policy): readonly Reason[] {
  return [...ruleReasons(manifest, policy), ...driverReasons(manifest), ...powerReasons(manifest, policy)];
}

function ruleReasons(manifest: Manifest, policy: Policy): readonly Reason[] {
  const { id } = manifest;
  const rule = policy.admission.find(({ match }) => matchesId(match, id));
  if (rule === undefined) return [admissionReason("POLICY_NO_RULE", { id }, { file: FILE, pointer: "/id" })];
  const reasons: Reason[] = [];
  const tier = manifest.governance.tier;
  const determinism = manifest.capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER;
  const zone = zoneOf(manifest);
  if (!rule.tiers.includes(tier)) {
    const details = { id, tier, allowed: rule.tiers.join(", ") || "none" };
    reasons.push(
      admissionReason("POLICY_TIER_FORBIDDEN", details, { file: FILE, pointer: "/governance/tier" }),
    );
  }
  if (!rule.determinism.includes(determinism)) {
    const details = { id, tier: determinism, allowed: rule.determinism.join(", ") || "none" };
    const pointer = "/capabilities/determinism_tier";
    reasons.push(admissionReason("POLICY_DETERMINISM_FORBIDDEN", details, { file: FILE, pointer }));
  }
  if (!rule.zones.includes(zone)) {
    const details = { id, zone, allowed: rule.zones.join(", ") || "none" };
    reasons.push(
      admissionReason("POLICY_ZONE_FORBIDDEN", details, { file: FILE, pointer: "/security/trust_zone" }),
    );
  }
  return reasons;
}

function driverReasons(manifest: Manifest): readonly Reason[] {
  const { id } = manifest;
  if (manifest.type !== "driver") {
    if ((manifest.security?.resources ?? []).length === 0) return [];
    return [admissionReason("POWER_WITHOUT_DRIVER", { id }, { file: FILE, pointer: "/security/resources" })];
  }
  const reasons: Reason[] = [];
  const zone = zoneOf(manifest);
  if (zone !== "system") {
    reasons.push(
      admissionReason(
        "DRIVER_OUTSIDE_SYSTEM_ZONE",
        { zone },
        { file: FILE, pointer: "/security/trust_zone" },
      ),
    );
  }
  if (manifest.state !== undefined) {
    reasons.push(admissionReason("DRIVER_OWNS_KEYS", {}, { file: FILE, pointer: "/state" }));
  }
  return reasons;
}

function powerReasons(manifest: Manifest, policy: Policy): readonly Reason[] {
  const { id } = manifest;
  return (manifest.security?.resources ?? []).flatMap((power, index) => {
    const granted = policy.powers.some(
      (grant) => grant.power === power && grant.to.some((one) => matchesId(one, id)),
    );
    if (granted) return [];
    const place = { file: FILE, pointer: `/security/resources/${index}` };
    return [admissionReason("POLICY_POWER_NOT_GRANTED", { id, power }, place)];
  });
}

export function zoneOf(manifest: Manifest): NonNullable<NonNullable<Manifest["security"]>["trust_zone"]> {
  return manifest.security?.trust_zone ?? DEFAULT_TRUST_ZONE;
}
