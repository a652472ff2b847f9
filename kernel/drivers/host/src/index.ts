/** The kernel's side. A host imports `@vnes/driver-host/serve` and nothing more. */
export { type HostCode, hostErrors } from "./errors.ts";
export { MAX_FRAME_BYTES } from "./frame.ts";
export { type HostDeath, type HostOptions, type HostProcess, spawnHost } from "./host-process.ts";
export { builtText } from "./built-script.ts";
export {
  builtProgram,
  type HostProgram,
  nodeProgram,
  type NodeProgramOptions,
  WALLED_USER,
} from "./host-program.ts";
export { familyOf, type ProcessUsage, usageFrom, usageOf } from "./process-usage.ts";
export { readOr } from "./read-or.ts";
export { SessionNice } from "./session-nice.ts";
export { startChild } from "./start-child.ts";
export { HOST_ENV, noWall, type Wall, type Walled, type WallOf, wallsMissing } from "./wall.ts";
