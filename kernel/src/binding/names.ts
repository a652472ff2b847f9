/**
 * Who may give a name to what others use: capabilities and topics. Keys sign for the ids of a namespace, so a name in a namespace is its
 * own; without this a capsule of one tenant could provide what another tenant's clients call, or take the topic it owns away.
 *
 * Y4. Outside of zone system a capsule names only what lies in its own namespace, or in none: a name of one part.
 * Y5. Of several tenants that give one name it is zone system's; else of the capsule whose id the name begins with, the longest such id;
 *     else nobody's.
 */
import type { Manifest } from "@vnes/schemas";
import { zoneOf } from "../admission/policy-check.ts";
import type { TopicOffer } from "../admission/topic-files.ts";
import type { Reason } from "../admission/verdict.ts";
import { bindingReason } from "./errors.ts";
import { parseRequirement } from "./requirement.ts";
import { tenantOf } from "./tenant.ts";

interface Namer {
  readonly id: string;
  readonly manifest: Manifest;
  readonly topics: readonly TopicOffer[];
}

interface Claim {
  readonly namer: Namer;
  readonly does: "provides" | "defines";
  /** Of a topic with its version, of a capability without. */
  readonly name: string;
}

/** Reasons by capsule: what has one takes part in nothing. */
export function nameReasons(capsules: readonly Namer[]): ReadonlyMap<string, readonly Reason[]> {
  const claims = capsules.flatMap(claimsOf);
  const reasons = new Map<string, Reason[]>();
  for (const claim of claims) {
    const reason = claimProblem(claim, claims);
    const { id } = claim.namer;
    if (reason !== undefined) reasons.set(id, [...(reasons.get(id) ?? []), reason]);
  }
  return reasons;
}

function claimsOf(namer: Namer): readonly Claim[] {
  const provides = namer.manifest.capabilities.provides.map((one) => parseRequirement(one).name);
  return [
    ...provides.map((name): Claim => ({ namer, does: "provides", name })),
    ...namer.topics.map(({ definition }): Claim => ({ namer, does: "defines", name: definition.topic })),
  ];
}

function claimProblem(claim: Claim, claims: readonly Claim[]): Reason | undefined {
  const { namer, does, name } = claim;
  if (zoneOf(namer.manifest) === "system") return undefined;
  const [namespace = ""] = namer.id.split(".");
  const details = { capsule: namer.id, does, name };
  if (isInNamespace(claim) && !name.startsWith(`${namespace}.`))
    return bindingReason("BINDING_NAME_FOREIGN", { ...details, namespace });
  const tenant = tenantOf(namer.manifest);
  const right = rightTo(claim);
  const others = claims.filter(
    (one) =>
      one.name === name &&
      one.does === does &&
      tenantOf(one.namer.manifest) !== tenant &&
      rightTo(one) >= right,
  );
  if (others.length === 0) return undefined;
  const other = others.map(({ namer: { id } }) => id).join(", ");
  return bindingReason("BINDING_NAME_TAKEN", { ...details, other });
}

/** Y5: the larger one has it. */
function rightTo({ namer: { id, manifest }, name }: Claim): number {
  if (zoneOf(manifest) === "system") return Number.POSITIVE_INFINITY;
  return name === id || name.startsWith(`${id}.`) ? id.length : 0;
}

/** The version of a topic is no part of its name. */
function isInNamespace({ does, name }: Claim): boolean {
  return name.split(".").length > (does === "defines" ? 2 : 1);
}
