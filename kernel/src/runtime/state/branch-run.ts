/** One request to a branch, carried out: deliveries in order, each turn a fact as soon as it has ended. */
import { type Delivery, isVnesError, type Manifest } from "@vnes/schemas";
import type { LedgerRecord } from "../../ledger/record.ts";
import {
  type Branch,
  type BranchFact,
  foldBranch,
  MAX_BRANCH_TURNS,
  MAX_BRANCH_TURNS_SIZE,
} from "../../state/branch.ts";
import { nextDue } from "../../state/branch-due.ts";
import { stateErrors } from "../../state/errors.ts";
import {
  type BranchInput,
  callDelivery,
  eventDelivery,
  MAX_RUN_SIZE,
  MAX_RUN_TURNS,
  recordsToFeed,
} from "./branch-inputs.ts";
import type { BranchRunner } from "./branch-runner.ts";
import type { NodeContext } from "../node/node-context.ts";
import { ReplayReader } from "../replay/replay-reader.ts";

export class BranchRun {
  /** What happened, also when it ends in an error. */
  readonly facts: BranchFact[] = [];
  skipped = 0;
  cut = false;
  readonly #context: NodeContext;
  readonly #branch: Branch;
  readonly #manifest: Manifest;
  readonly #runner: BranchRunner;
  readonly #sizeBefore: number;

  constructor(context: NodeContext, branch: Branch, manifest: Manifest, runner: BranchRunner) {
    this.#context = context;
    this.#branch = branch;
    this.#manifest = manifest;
    this.#runner = runner;
    this.#sizeBefore = branch.turnsSize;
  }

  /** Throws `BRANCH_INPUT_INVALID`, `BRANCH_FULL`, `BRANCH_TURN_STOPPED`, and what reading the parent throws. */
  async with(input: BranchInput): Promise<void> {
    const { board } = this.#context;
    switch (input.do) {
      case "call":
        await this.#give(callDelivery(this.#branch, input, board));
        return;
      case "event":
        await this.#give(eventDelivery(this.#branch, input, board, this.#manifest));
        return;
      case "feed":
        return await this.#feed(input.to);
      case "advance":
        return await this.#advance(input.ms);
    }
  }

  async #give(delivery: Delivery, at: number = this.#branch.state.at): Promise<boolean> {
    return await this.#turn(delivery, at, this.#context.parts.random.seed(), null);
  }

  /** As the parent had it: the same time, the same seed. */
  async #feed(to: number | undefined): Promise<void> {
    const { ledger: store, digest } = this.#context.parts;
    const { parent: shard } = this.#branch.beginning;
    const records = await recordsToFeed({ store, digest, shard }, this.#branch, to);
    const reader = new ReplayReader(store, shard, digest);
    const last = to ?? (await store.lastSeq(shard));
    for (const record of records) {
      if (this.#isLarge()) break;
      await this.#repeat(record, reader);
    }
    this.cut = this.#branch.fed < last;
  }

  async #repeat(record: LedgerRecord, reader: ReplayReader): Promise<void> {
    const { seq: fed, at } = record;
    if (record.kind === "turn") {
      const delivery = await reader.delivery(record);
      if (await this.#turn(delivery, at, record.seed, fed)) return;
      this.skipped += 1;
    }
    // What is no turn of the parent leaves a gap in the branch, so that turns keep the numbers they had as long as both go together.
    const { seq } = this.#branch.state;
    const isAligned = record.kind !== "turn" && seq === fed - 1;
    this.#note({ type: "branch.moved", fed, seq: isAligned ? fed : seq, at: this.#branch.state.at });
  }

  async #advance(ms: number): Promise<void> {
    const { state } = this.#branch;
    const until = state.at + ms;
    for (let turns = 0; turns < MAX_RUN_TURNS; turns++) {
      const due = nextDue(state, until);
      if (due === undefined) {
        this.#note({ type: "branch.moved", fed: null, seq: state.seq, at: until });
        return;
      }
      if (this.#isLarge()) break;
      await this.#give(due.delivery, due.at);
    }
    this.cut = true;
  }

  #isLarge(): boolean {
    return this.#branch.turnsSize - this.#sizeBefore > MAX_RUN_SIZE;
  }

  /** False for a delivery that has nothing to be delivered to. */
  async #turn(delivery: Delivery, at: number, seed: string, fed: number | null): Promise<boolean> {
    const { turns, turnsSize: size, beginning } = this.#branch;
    const { name } = beginning;
    if (turns >= MAX_BRANCH_TURNS || size >= MAX_BRANCH_TURNS_SIZE) {
      const limits = { limit: MAX_BRANCH_TURNS, sizeLimit: MAX_BRANCH_TURNS_SIZE };
      throw stateErrors.create("BRANCH_FULL", { name, turns, size, ...limits });
    }
    const record = await this.#runner.run({ at, seed, delivery }).catch((cause: unknown) => {
      const problem = isVnesError(cause) ? `${cause.code}: ${cause.message}` : String(cause);
      throw stateErrors.create("BRANCH_TURN_STOPPED", { name, problem }, cause);
    });
    if (record === undefined) return false;
    this.#note({ type: "branch.turn", fed, record });
    return true;
  }

  #note(fact: BranchFact): void {
    foldBranch(this.#branch, fact);
    this.facts.push(fact);
  }
}
