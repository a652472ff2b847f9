export { sandboxByLanguage } from "./by-language.ts";
export { type SandboxCode, sandboxErrors } from "./errors.ts";
export type { Executor } from "./executor.ts";
export { broken, bytesOf, textOf } from "./image-part.ts";
export { hostBounds } from "./host-bounds.ts";
export type { FromHost, HostMeters, ToHost } from "./messages.ts";
export { MOST_DEADLINES } from "./sandbox-host.ts";
export { type HostSandboxOptions, openHostSandbox } from "./sandbox.ts";
export {
  AT_ONCE_BYTES,
  type Judged,
  type JudgedRequest,
  notRun,
  parsePiece,
  refused,
} from "./parse-results.ts";
export { atOnce, inStretches } from "./steps.ts";
export { TurnTally } from "./turn-tally.ts";
export { pause, RenewalPace } from "./renewal-pace.ts";
