/** How an image runs in a replay: as it does in a node, with more time. */
import type { Manifest, TrustZone } from "@vnes/schemas";
import type { SandboxSpec } from "../../ports/sandbox.ts";
import { chosenProgram } from "../boot/capsule-spec.ts";
import { confinementToRun } from "../boot/confinement-for.ts";
import { limitsOf } from "../boot/limits.ts";
import type { NodeParts } from "../node/parts.ts";

/** A turn has so many times its deadline: beside other work, slow must not look like another outcome. */
const AMPLE = 5;

/** What is compared with what was recorded, replays and branches, has this much time for a turn. */
export function ampleLimits<Limits extends { readonly turnMs: number }>(limits: Limits): Limits {
  return { ...limits, turnMs: limits.turnMs * AMPLE };
}

/** `limits`: the zone whose limits a turn has; `walls`: the zone whose wall stands around its host. Throws `CAPSULE_ZONE_UNCONFINED`. */
export function replaySpec(
  given: Pick<NodeParts, "policy" | "platform" | "unconfinedDev">,
  manifest: Manifest,
  zones: { readonly limits: TrustZone; readonly walls: TrustZone },
): Pick<SandboxSpec, "language" | "entry" | "zone" | "limits" | "confinement"> {
  const limits = limitsOf(manifest, zones.limits, given.policy);
  return {
    ...chosenProgram(manifest),
    zone: zones.walls,
    limits: ampleLimits(limits),
    confinement: confinementToRun(given, manifest, zones.walls),
  };
}
