/** What a Node process needs in which isolated-vm makes isolates. */

/** Not part of a program that is one file: an addon is loaded from where it lies. */
export const ISOLATE_PACKAGES: readonly string[] = ["isolated-vm", "node-gyp-build"];

/**
 * V8 keeps what no isolate of a process may change once for all of them, laid out by the snapshot the first one came from. Node starts from a
 * snapshot of its own, isolated-vm's isolates from V8's. A Node whose snapshot may add to what is shared has to start without it, which
 * takes it twice as long; one that was built to add nothing lays it out as V8 does, and says so.
 */
const LAYOUT_FLAGS: readonly string[] = sharesV8sLayout(process.config) ? [] : ["--no-node-snapshot"];

/** The young part of a small heap is collected by one thread sooner than others are woken up for it. */
export const ISOLATE_FLAGS: readonly string[] = [...LAYOUT_FLAGS, "--no-parallel-scavenge"];

/** `config`: of the Node that is to make isolates. */
export function sharesV8sLayout({ variables }: { readonly variables: object }): boolean {
  return (variables as { readonly [name: string]: unknown })["v8_enable_extensible_ro_snapshot"] === 0;
}
