/** What a Node process needs in which isolated-vm makes isolates. */

/** Not part of a program that is one file: an addon is loaded from where it lies. */
export const ISOLATE_PACKAGES: readonly string[] = ["isolated-vm", "node-gyp-build"];

/** What dies young is next to nothing, and a capsule at a time runs: threads that are woken to help with it take the kernel's processor. */
const COLLECTS_ALONE = "--no-parallel-scavenge";

/**
 * A JavaScript capsule that fills its memory kept all of V8's helping threads busy with its garbage, on every processor there is, and the kernel
 * and other hosts waited for theirs; on the thread itself it is collected as quickly, in a heap as small as these. One helper is left to compile
 * what runs often: on the thread a large function would take seconds, which no deadline ends. Not for WebAssembly, where a memory that grows
 * page by page has garbage looked for each time, and the helpers' half of that would take a turn beyond its deadline.
 */
export const HELPED_BY_ONE: readonly string[] = ["--single-threaded-gc", "--v8-pool-size=1"];

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
