/** What decides on this machine who is trusted and what is let in: the local authority, unless the settings name other files. */
import { dirname, join } from "node:path";
import { type Authority, LocalRegistry, loadPolicy, openAuthority, TrustStore } from "@vnes/registry";
import type { Policy, TrustDocument } from "@vnes/schemas";
import type { Place } from "../shell.ts";

export interface Judges {
  readonly authority: Authority;
  readonly policy: Policy;
  readonly trust: TrustDocument;
}

export async function openJudges({ home, config }: Place): Promise<Judges> {
  const authority = await openAuthority(home.configDir);
  const policy = config.policy === undefined ? authority.policy : loadPolicy(config.policy);
  const trust = config.trust === undefined ? null : new TrustStore(dirname(config.trust)).read();
  return { authority, policy, trust: trust ?? authority.trust() };
}

export function openRegistry({ home, config }: Place): LocalRegistry {
  return new LocalRegistry(config.registry ?? join(home.dataDir, "registry"));
}
