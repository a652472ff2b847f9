/** The kernel's side. A host imports `@vnes/driver-host/serve` and nothing more. */
export { type HostCode, hostErrors } from "./errors.ts";
export { MAX_FRAME_BYTES } from "./frame.ts";
export { type HostDeath, type HostOptions, type HostProcess, spawnHost } from "./host-process.ts";
