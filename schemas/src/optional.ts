/** What a capsule asks for and runs without: `x_optional` of its capabilities and of its bus. */
import type { Manifest } from "./manifest.ts";

/** `requirement` as it stands in `requires`, range included. */
export function isOptionalRequirement(
  { capabilities }: Pick<Manifest, "capabilities">,
  requirement: string,
): boolean {
  return (capabilities.x_optional ?? []).includes(requirement);
}

export function isOptionalTopic({ bus }: Pick<Manifest, "bus">, topic: string): boolean {
  return (bus?.x_optional ?? []).includes(topic);
}

/** What it cannot run without. */
export function neededRequirements(manifest: Pick<Manifest, "capabilities">): readonly string[] {
  return (manifest.capabilities.requires ?? []).filter((one) => !isOptionalRequirement(manifest, one));
}
