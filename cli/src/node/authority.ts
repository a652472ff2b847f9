/**
 * What decides on this machine who is trusted and what is let in: the local authority, unless the settings name other
 * files. The registry is loaded when one of these is asked for, so that `--help` does not wait for it.
 */
import { join } from "node:path";
import type { Authority, FsQuarantine, LocalRegistry } from "@vnes/registry";
import type { Policy, TrustDocument } from "@vnes/schemas";
import type { Place } from "../shell.ts";

export interface Judges {
  readonly authority: Authority;
  readonly policy: Policy;
  readonly trust: TrustDocument;
}

export async function openJudges(place: Place): Promise<Judges> {
  const { openAuthority } = await import("@vnes/registry");
  return await judgesBy(await openAuthority(place.home.configDir), place, { looksOnly: false });
}

/** For a look: null where this machine has no authority yet, and it is not made for that; nor is anything else written. */
export async function findJudges(place: Place): Promise<Judges | null> {
  const { findAuthority } = await import("@vnes/registry");
  const authority = findAuthority(place.home.configDir);
  return authority === null ? null : await judgesBy(authority, place, { looksOnly: true });
}

async function judgesBy(
  authority: Authority,
  { config }: Place,
  how: { readonly looksOnly: boolean },
): Promise<Judges> {
  const { loadPolicy, loadTrust } = await import("@vnes/registry");
  const policy = config.policy === undefined ? authority.policy : loadPolicy(config.policy);
  const trust = config.trust === undefined ? authority.trust() : loadTrust(config.trust, how);
  return { authority, policy, trust };
}

export async function openRegistry({ home, config }: Place): Promise<LocalRegistry> {
  const registry = await import("@vnes/registry");
  return new registry.LocalRegistry(config.registry ?? join(home.dataDir, "registry"));
}

export async function openQuarantine({ paths }: Place): Promise<FsQuarantine> {
  const registry = await import("@vnes/registry");
  return new registry.FsQuarantine(paths.quarantine);
}
