/**
 * The run's own record of what it sent and what was acknowledged: one file, only ever appended to, synced before the run
 * counts on it. It is the other side of the comparison, so it shares nothing with the node.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";

export class Acknowledgements {
  readonly #fd: number;
  readonly #sent = new Map<string, Set<string>>();
  readonly #acknowledged = new Map<string, Set<string>>();

  constructor(path: string) {
    this.#fd = openSync(path, "a");
  }

  send(round: string, ids: readonly string[]): void {
    writeSync(this.#fd, ids.map((id) => `sent ${id}\n`).join(""));
    setOf(this.#sent, round, ids);
  }

  acknowledge(round: string, ids: readonly string[]): void {
    if (ids.length === 0) return;
    writeSync(this.#fd, ids.map((id) => `acknowledged ${id}\n`).join(""));
    fdatasyncSync(this.#fd);
    setOf(this.#acknowledged, round, ids);
  }

  round(round: string): { readonly sent: ReadonlySet<string>; readonly acknowledged: ReadonlySet<string> } {
    return {
      sent: this.#sent.get(round) ?? new Set(),
      acknowledged: this.#acknowledged.get(round) ?? new Set(),
    };
  }

  /** Every round together. */
  all(): { readonly sent: ReadonlySet<string>; readonly acknowledged: ReadonlySet<string> } {
    const union = (sets: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> =>
      new Set([...sets.values()].flatMap((set) => [...set]));
    return { sent: union(this.#sent), acknowledged: union(this.#acknowledged) };
  }

  get totals(): { readonly sent: number; readonly acknowledged: number } {
    return { sent: sum(this.#sent), acknowledged: sum(this.#acknowledged) };
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function setOf(sets: Map<string, Set<string>>, round: string, ids: readonly string[]): void {
  const set = sets.get(round) ?? new Set();
  for (const id of ids) set.add(id);
  sets.set(round, set);
}

function sum(sets: ReadonlyMap<string, ReadonlySet<string>>): number {
  let total = 0;
  for (const set of sets.values()) total += set.size;
  return total;
}
