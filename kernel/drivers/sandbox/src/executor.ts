/** How capsules of one language run in hosts that they share: which program a host is, and what of an image it is given. */
import type { HostProgram } from "@vnes/driver-host";
import type { SandboxSpec } from "@vnes/kernel";
import type { CapsuleLanguage } from "@vnes/schemas";

export interface Executor {
  readonly language: CapsuleLanguage;
  program(): HostProgram;
  /** Goes with `open`: what the host runs, out of the image. Throws `SANDBOX_BUNDLE_BROKEN`. */
  bundle(spec: SandboxSpec): string;
}
