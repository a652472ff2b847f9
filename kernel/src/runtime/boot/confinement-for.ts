/** The decision about a capsule's host with what this node was given: its policy, its machine, and what it was booted with. */
import type { Manifest, TrustZone, VnesError } from "@vnes/schemas";
import { type Confinement, type ConfinementDecision, NO_PLATFORM } from "../../confinement/confinement.ts";
import { confinementOf } from "../../confinement/confinement-of.ts";
import { kernelErrors } from "../../errors.ts";
import type { NodeParts } from "../node/parts.ts";

type Given = Pick<NodeParts, "policy" | "platform" | "unconfinedDev">;

export function confinementFor(
  { policy, platform = NO_PLATFORM, unconfinedDev }: Given,
  manifest: Manifest,
  zone: TrustZone,
): ConfinementDecision {
  return confinementOf({ manifest, zone, policy, platform, unconfinedDev });
}

/** For code that is about to run. Throws `CAPSULE_ZONE_UNCONFINED`: what is not confined as its zone demands does not run, not even for a replay. */
export function confinementToRun(given: Given, manifest: Manifest, zone: TrustZone): Confinement {
  const decision = confinementFor(given, manifest, zone);
  if (decision.kind === "refused") throw unconfined(manifest.id, zone, decision);
  return decision.confinement;
}

export function unconfined(
  capsule: string,
  zone: TrustZone,
  { lacks }: Extract<ConfinementDecision, { kind: "refused" }>,
): VnesError {
  const missing = lacks.map(({ part, found }) => `${part}: ${found}`).join("; ");
  return kernelErrors.create("CAPSULE_ZONE_UNCONFINED", { capsule, zone, missing });
}
