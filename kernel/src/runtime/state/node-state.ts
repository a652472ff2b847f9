/** State as a person asks a node for it: what a capsule's keys are, were, and how they came to be. Its branches are beside it. */
import type { StateRead } from "@vnes/schemas";
import { capsuleShard } from "../../bus/routing.ts";
import type { StateQuery } from "../../ledger/state-request.ts";
import { stateErrors } from "../../state/errors.ts";
import { Branches } from "./branches.ts";
import { assertLease } from "../node/lease-guard.ts";
import { type NodeContext, shardsOf } from "../node/node-context.ts";
import {
  type Moment,
  type StateAt,
  type StateDifference,
  StateHistory,
  type StateHistoryPage,
} from "./state-history.ts";
import { readCommitted } from "./state-reads.ts";

/** A shard of a capsule; the number may be left out when it has one. */
export interface ShardChoice {
  readonly capsule: string;
  readonly shard?: number;
}

export class NodeState {
  readonly #context: NodeContext;
  readonly #history: StateHistory;
  readonly branches: Branches;

  constructor(context: NodeContext) {
    this.#context = context;
    const { ledger, digest } = context.parts;
    this.#history = new StateHistory(ledger, digest);
    this.branches = new Branches(context, this.#history);
  }

  /**
   * As it is now. Throws `STATE_OWNER_UNKNOWN`, `STATE_SHARD_UNKNOWN` and `STATE_UNAVAILABLE`, what keeps the ledger from
   * taking the records it comes from, and `LEDGER_LEASE_LOST` while another node may know better.
   */
  async read({ capsule, shard }: ShardChoice, query: StateQuery): Promise<StateRead> {
    const { reads, watch, parts } = this.#context;
    const its = reads.shardOf(capsule, shard);
    const read = await watch.unlessStalled(its.name, readCommitted(its, query));
    assertLease(parts.ledger, its.name);
    return read;
  }

  /** As it was. Also of a capsule that is not here any more, from what it recorded. */
  async at(choice: ShardChoice, moment: Moment, query: StateQuery): Promise<StateAt> {
    return this.#history.at(this.shardName(choice), moment, query);
  }

  async history(
    choice: ShardChoice,
    key: string,
    page: { readonly limit?: number; readonly before?: number },
  ): Promise<StateHistoryPage> {
    return this.#history.history(this.shardName(choice), key, page);
  }

  async diff(
    choice: ShardChoice,
    from: number,
    to: number | undefined,
    page: { readonly after?: string; readonly limit?: number },
  ): Promise<StateDifference> {
    return this.#history.diff(this.shardName(choice), from, to, page);
  }

  /** Throws `STATE_SHARD_UNKNOWN`. */
  shardName({ capsule, shard }: ShardChoice): string {
    const known = this.#context.table.find(capsule);
    const names = known === undefined ? [] : shardsOf(this.#context, known);
    if (shard === undefined && names.length > 1)
      throw stateErrors.create("STATE_SHARD_UNKNOWN", { capsule, shards: names.length, shard: null });
    return names[shard ?? 0] ?? capsuleShard(capsule, shard ?? 0);
  }
}
