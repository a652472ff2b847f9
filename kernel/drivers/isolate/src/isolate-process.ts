/** What a Node process needs in which isolated-vm makes isolates. */

/** Not part of a program that is one file: an addon is loaded from where it lies. */
export const ISOLATE_PACKAGES: readonly string[] = ["isolated-vm", "node-gyp-build"];

/** What dies young is next to nothing, and a capsule at a time runs: threads that are woken to help with it take the kernel's processor. */
const COLLECTS_ALONE = "--no-parallel-scavenge";

/**
 * V8 keeps what no isolate of a process may change once for all of them, laid out by the snapshot the first one came from. Node starts from a
 * snapshot of its own, isolated-vm's isolates from V8's. A Node whose snapshot may add to what is shared has to start without it, which
 * takes it twice as long; one that was built to add nothing lays it out as V8 does, and says so.
 */
export const ISOLATE_FLAGS: readonly string[] = sharesV8sLayout(process.config)
  ? [COLLECTS_ALONE]
  : [COLLECTS_ALONE, "--no-node-snapshot"];

/** `config`: of the Node that is to make isolates. */
export function sharesV8sLayout({ variables }: { readonly variables: object }): boolean {
  return (variables as { readonly [name: string]: unknown })["v8_enable_extensible_ro_snapshot"] === 0;
}
