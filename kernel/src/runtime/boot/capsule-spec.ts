/** How a capsule's turns are run and judged: the same for its shards, and for a branch of one. */
import type { Manifest } from "@vnes/schemas";
import type { CapsuleImage } from "../../admission/image.ts";
import { type CapsuleProgram, programOf } from "../../admission/program.ts";
import type { TurnRules } from "../../bus/turn-check.ts";
import type { SandboxSpec } from "../../ports/sandbox.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { confinementToRun } from "./confinement-for.ts";
import { limitsOf, maxStateSize } from "./limits.ts";
import type { NodeContext } from "../node/node-context.ts";
import { nameOf } from "./wiring.ts";

/**
 * `manifest` and `image` go together; they are the capsule's own unless an older version runs. Throws `CAPSULE_ZONE_UNCONFINED`.
 */
export function specOf(
  { parts }: Pick<NodeContext, "parts">,
  { zone }: Capsule,
  manifest: Manifest,
  image: CapsuleImage,
): Pick<SandboxSpec, "image" | "language" | "entry" | "zone" | "limits" | "confinement"> {
  return {
    image,
    ...chosenProgram(manifest),
    zone,
    limits: limitsOf(manifest, zone, parts.policy),
    confinement: confinementToRun(parts, manifest, zone),
  };
}

/** A capsule without one does not get so far. */
export function chosenProgram(manifest: Manifest): CapsuleProgram {
  return programOf(manifest) ?? { language: "javascript", entry: "" };
}

export function rulesOf(
  { parts, board, table }: Pick<NodeContext, "parts" | "board" | "table">,
  { id, zone }: Capsule,
  manifest: Manifest,
): TurnRules {
  return {
    manifest,
    topics: board.topics,
    capabilities: board.capabilities,
    required: new Set((manifest.capabilities.requires ?? []).map(nameOf)),
    ownersOf: (key) => table.ownersOf(key, id),
    maxStateSize: maxStateSize(zone, parts.policy),
  };
}
