/** What a new version asks for that the one it replaces did not have. */
import { type Manifest, topicsSubscribed } from "@vnes/schemas";
import { admissionReason } from "./errors.ts";
import { zoneOf } from "./policy-check.ts";
import type { Reason } from "./verdict.ts";

export function widenedReasons(manifest: Manifest, installed: Manifest): readonly Reason[] {
  const added = [
    ...more("requires", manifest.capabilities.requires, installed.capabilities.requires),
    ...more("power", manifest.security?.resources, installed.security?.resources),
    ...more("publishes", manifest.bus?.publishes, installed.bus?.publishes),
    ...more("subscribes to", topicsSubscribed(manifest), topicsSubscribed(installed)),
    ...more("owns", manifest.state?.owns, installed.state?.owns),
    ...more("shares", manifest.state?.shares, installed.state?.shares),
    ...more("reads", readsOf(manifest), readsOf(installed)),
    ...more("zone", [zoneOf(manifest)], [zoneOf(installed)]),
    ...more("type", [manifest.type], [installed.type]),
  ];
  if (added.length === 0) return [];
  const { id, version } = manifest;
  const details = { id, version, before: installed.version, added: added.join(", ") };
  return [admissionReason("ADMISSION_CAPABILITIES_WIDENED", details, { file: "manifest.json" })];
}

function readsOf({ state }: Manifest): readonly string[] {
  return (state?.reads ?? []).map(({ capsule, prefix }) => `${capsule}:${prefix}`);
}

function more(what: string, now: readonly string[] = [], before: readonly string[] = []): readonly string[] {
  return now.filter((one) => !before.includes(one)).map((one) => `${what} ${one}`);
}
