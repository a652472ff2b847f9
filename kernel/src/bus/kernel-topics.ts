/** Topics that the kernel itself publishes: what is in them is its word, so nobody else may say it for the kernel. */

export const LIFECYCLE_TOPIC = "vnes.lifecycle.v1";
export const DIAGNOSTICS_TOPIC = "vnes.diagnostics.v1";
/** Where nobody defines it, there are no letters, only counts and diagnostics. */
export const DEADLETTER_TOPIC = "vnes.deadletter.v1";

/** The core observability capsule defines them; that does not make them its own to fill. */
export const KERNEL_TOPICS: ReadonlySet<string> = new Set([
  LIFECYCLE_TOPIC,
  DIAGNOSTICS_TOPIC,
  DEADLETTER_TOPIC,
]);
