/** What of a capsule runs: one of the interfaces its manifest names. */
import { CAPSULE_LANGUAGES, type CapsuleLanguage, type Manifest } from "@vnes/schemas";

/** For a manifest that asks for no other, and a zone the policy says nothing of. */
export const DEFAULT_MEMORY_MB = 32;

export interface CapsuleProgram {
  readonly language: CapsuleLanguage;
  /** As the manifest has it. */
  readonly entry: string;
}

/** The one `runtime.language` names, otherwise the first there is. Undefined when nothing of it is run by a sandbox. */
export function programOf({ interfaces = {}, runtime }: Manifest): CapsuleProgram | undefined {
  const wanted = CAPSULE_LANGUAGES.filter((language) => language === runtime?.language);
  for (const language of [...wanted, ...CAPSULE_LANGUAGES]) {
    const entry = interfaces[language];
    if (typeof entry === "string") return { language, entry };
  }
  return undefined;
}
