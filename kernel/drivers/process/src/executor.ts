/** How capsules of one language become processes: what is started for an instance, and what of the image it is sent. */
import type { HostProgram } from "@vnes/driver-host";
import type { SandboxSpec } from "@vnes/kernel";
import type { CapsuleLanguage } from "@vnes/schemas";

export interface ProcessExecutor {
  readonly language: CapsuleLanguage;
  /** Throws `SANDBOX_BUNDLE_BROKEN`, or a code that says what is missing on this machine. */
  program(spec: SandboxSpec): HostProgram;
  /** Goes with `open`. Throws `SANDBOX_BUNDLE_BROKEN`. */
  bundle(spec: SandboxSpec): string;
}
