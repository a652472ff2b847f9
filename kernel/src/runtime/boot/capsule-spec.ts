/** How a capsule's turns are run and judged: the same for its shards, and for a branch of one. */
import type { Manifest } from "@vnes/schemas";
import type { CapsuleImage } from "../../admission/image.ts";
import type { TurnRules } from "../../bus/turn-check.ts";
import type { SandboxSpec } from "../../ports/sandbox.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { limitsOf, maxStateSize } from "./limits.ts";
import type { NodeContext } from "../node/node-context.ts";
import { nameOf } from "./wiring.ts";

/** `manifest` and `image` go together; they are the capsule's own unless an older version runs. */
export function specOf(
  { parts }: Pick<NodeContext, "parts">,
  { zone }: Capsule,
  manifest: Manifest,
  image: CapsuleImage,
): Pick<SandboxSpec, "image" | "entry" | "zone" | "limits"> {
  const entry = manifest.interfaces?.["javascript"];
  return {
    image,
    entry: typeof entry === "string" ? entry : "",
    zone,
    limits: limitsOf(manifest, zone, parts.policy),
  };
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
