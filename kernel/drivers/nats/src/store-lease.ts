/** The leases of all groups a store owns, as one answer to whether this node may act. */
import type { LedgerLease } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import type { GroupOwner } from "./group-owner.ts";

export class StoreLease implements LedgerLease {
  readonly #owners: ReadonlyMap<string, GroupOwner>;
  readonly #groupOf: (shard: string) => string;
  readonly #listeners = new Set<(lost: readonly string[]) => void>();
  #told = "";

  constructor(owners: ReadonlyMap<string, GroupOwner>, groupOf: (shard: string) => string) {
    this.#owners = owners;
    this.#groupOf = groupOf;
  }

  isHeld(shard: string): boolean {
    return this.#owners.get(this.#groupOf(shard))?.isLeaseHeld ?? false;
  }

  lost(): readonly string[] {
    return [...this.#owners].flatMap(([group, owner]) => (owner.isLeaseHeld ? [] : [group]));
  }

  taken(): VnesError | undefined {
    return [...this.#owners.values()].find(({ lost }) => lost?.code === "LEDGER_CLAIMED")?.lost;
  }

  onChange(listener: (lost: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called by the store's timer. */
  tick(): void {
    if (this.#listeners.size === 0) return;
    const lost = this.lost();
    const now = [...lost, this.taken()?.message].join();
    if (now === this.#told) return;
    this.#told = now;
    for (const listener of this.#listeners) listener(lost);
  }
}
