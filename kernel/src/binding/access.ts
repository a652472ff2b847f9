/**
 * Who may use what of whom: capabilities, topics and keys, by one rule. Pure: two manifests and the policy in, a problem or none out.
 *
 * Y1. A capsule always may use what is its own.
 * Y2. Where a line of `access` names what is used, that line alone decides.
 * Y3. Otherwise nothing crosses between tenants; between zones a call, a subscription or a read goes only where `providers` allows it,
 *     and publishing on another zone's topic not at all: who is trusted more never takes what it did not ask for.
 */
import type { AccessUse, Manifest, Policy } from "@vnes/schemas";
import { zoneOf } from "../admission/policy-check.ts";
import { matchesId } from "../admission/trust.ts";
import { tenantOf } from "./tenant.ts";

export type AccessProblem = "zone" | "tenant" | "policy";

/** For messages. */
export const ACCESS_WHY: { readonly [problem in AccessProblem]: string } = {
  zone: "it is in another zone",
  tenant: "it belongs to another tenant",
  policy: "the policy of this node names who may",
};

/** `name`: of the capability, without version, or of the topic; for `read` the id of the capsule that owns the keys. */
export function accessProblem(
  policy: Pick<Policy, "access" | "providers">,
  use: AccessUse,
  name: string,
  { user, owner }: { readonly user: Manifest; readonly owner: Manifest },
): AccessProblem | undefined {
  if (user.id === owner.id) return undefined;
  const rule = policy.access?.find((one) => matchesId(one.name, name) && (one.use ?? [use]).includes(use));
  if (rule !== undefined)
    return rule.to.some((pattern) => matchesId(pattern, user.id)) ? undefined : "policy";
  const [from, to] = [zoneOf(user), zoneOf(owner)];
  if (from !== to && (use === "publish" || !(policy.providers[from] ?? []).includes(to))) return "zone";
  return tenantOf(user) === tenantOf(owner) || from === "system" || to === "system" ? undefined : "tenant";
}
