/**
 * Faults the crash run must notice. Each is one substitution in one source file, made while the file is loaded (`mutate.ts`);
 * the sources stay as they are. A mutant whose text is not found exactly once is an error, so the table cannot go stale.
 */
export interface Mutant {
  readonly name: string;
  /** What is broken, for people. */
  readonly breaks: string;
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "release-before-commit",
    breaks: "effects leave, acknowledgements included, before their record is durable",
    file: "kernel/src/runtime/shard/shard-journal.ts",
    find: "this.#parts.log.append(records).then(",
    replace: "(this.#parts.log.append(records), Promise.resolve()).then(",
  },
  {
    name: "no-fsync",
    breaks: "a commit resolves while it is in the page cache only",
    file: "kernel/drivers/sqlite/src/group-commit.ts",
    find: "if (isLarge && !isUrgent) log.begin((problem) => this.#synced(written, problem));",
    replace: "if (this.#written === written) this.#synced(written, null);",
  },
  {
    name: "no-dedupe",
    breaks: "receivers take what they have taken before",
    file: "kernel/src/ledger/effect-id.ts",
    find: "if (watermark === undefined) return false;",
    replace: "return false;",
  },
  {
    name: "expected-seq-off-by-one",
    breaks: "a restarted owner expects its shard one record earlier than it ends",
    file: "kernel/src/runtime/ledger/shard-log.ts",
    find: "this.#seq = head?.seq ?? 0;",
    replace: "this.#seq = Math.max((head?.seq ?? 0) - 1, 0);",
  },
  {
    name: "position-not-in-record",
    breaks: "what a turn consumed of a topic is not part of what its record says",
    file: "kernel/src/ledger/shard-state.ts",
    find: "state.positions.set(input.shard, input.seq);",
    replace: "",
  },
];
