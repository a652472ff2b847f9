/** The shard a branch is kept in: read back whole, added to, and emptied when the branch is discarded. */
import type { VnesError } from "@vnes/schemas";
import { hex } from "../../ledger/chain.ts";
import type { KernelRecord, LedgerRecord, SnapshotRecord } from "../../ledger/record.ts";
import { type Branch, type BranchFact, foldBranch } from "../../state/branch.ts";
import { stateErrors } from "../../state/errors.ts";
import { ShardLog, type ShardLogParts } from "../ledger/shard-log.ts";
import { oldestKept, walkShard } from "../ledger/shard-walk.ts";

export type BranchLedgerParts = Omit<ShardLogParts, "onStall">;

export class BranchLedger {
  readonly #parts: BranchLedgerParts;
  readonly #log: ShardLog;

  private constructor(parts: BranchLedgerParts, log: ShardLog) {
    this.#parts = parts;
    this.#log = log;
  }

  /**
   * `branch` is undefined where there is none (any more). `onFact` sees every fact. Throws `BRANCH_RECORD_INVALID` and what
   * reading a ledger throws.
   */
  static async open(
    parts: BranchLedgerParts,
    onFact: (fact: BranchFact) => void = () => {},
  ): Promise<{ readonly ledger: BranchLedger; readonly branch: Branch | undefined }> {
    const { store, digest, shard } = parts;
    const walk = { store, digest, shard };
    let branch: Branch | undefined;
    const through = await store.lastSeq(shard);
    await walkShard(walk, { from: await oldestKept(walk), through }, (record) => {
      const fact = factOf(record);
      if (fact === undefined) return true;
      try {
        branch = foldBranch(branch, fact);
      } catch (cause) {
        const problem = cause instanceof Error ? cause.message : String(cause);
        throw stateErrors.create("BRANCH_RECORD_INVALID", { name: shard, seq: record.seq, problem }, cause);
      }
      onFact(fact);
      return true;
    });
    const [last] = through === 0 ? [] : await store.read(shard, through, 1);
    const head = last === undefined ? undefined : { seq: last.seq, hash: last.hash };
    // A person waits, and can ask again: a store that takes no records is said at once, and nothing is tried behind their back.
    const onStall = (problem: VnesError | undefined): void => {
      if (problem !== undefined) log.abandon(problem);
    };
    const log: ShardLog = new ShardLog({ ...parts, onStall }, head);
    return { ledger: new BranchLedger(parts, log), branch };
  }

  /** All of them or none; resolves once they are durable. Rejects with what keeps the store from taking them for now. */
  async append(facts: readonly BranchFact[]): Promise<void> {
    if (facts.length === 0) return;
    await this.#log.append(facts.map((fact, index) => this.#record(fact, index)));
  }

  /** Says that it is no more, and drops its records. */
  async discard(): Promise<void> {
    const { store, shard, clock } = this.#parts;
    await this.append([{ type: "branch.discarded" }]);
    const { seq: through, hash } = this.#log;
    const at = clock.now();
    // The state of a branch's own shard is empty: its records carry no effects.
    const scalars = { at, image: null, size: 0 };
    const snapshot = { through, head: hex(hash), scalars, sections: {}, floors: {}, kept: [] };
    const record: SnapshotRecord = { v: 1, kind: "snapshot", seq: through + 1, at, snapshot };
    await this.#log.append([record]);
    await store.trim(shard, record.seq, new Set());
  }

  #record(fact: BranchFact, index: number): KernelRecord {
    const seq = this.#log.seq + 1 + index;
    return {
      v: 1,
      kind: "kernel",
      seq,
      at: this.#parts.clock.now(),
      fact: fact as unknown as KernelRecord["fact"],
      effects: [],
      released: seq,
    };
  }
}

function factOf(record: LedgerRecord): BranchFact | undefined {
  return record.kind === "kernel" ? (record.fact as unknown as BranchFact) : undefined;
}
