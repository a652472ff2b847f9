/** What one shard of a logic capsule is given, and whom it tells. */
import type { VnesError } from "@vnes/schemas";
import type { TurnRules } from "../../bus/turn-check.ts";
import type { Confirm, OutboxEntry } from "../../ledger/outbox.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Sandbox, SandboxSpec } from "../../ports/sandbox.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import type { Counters } from "../node/counters.ts";
import type { CapsuleBudget } from "./capsule-budget.ts";
import type { TurnSettlementParts } from "./turn-settlement.ts";

export interface CapsuleShardParts {
  readonly spec: SandboxSpec;
  readonly version: string;
  readonly sandbox: Sandbox;
  readonly rules: TurnRules;
  readonly state: ShardState;
  readonly log: ShardLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  /** Of the capsule: its shards share it. */
  readonly budget: CapsuleBudget;
  readonly lines: Log;
  /** Takes an effect that is durable now to its receiver; `confirm` says it need never be repeated. */
  release(entry: OutboxEntry, confirm: Confirm): void;
  /** True while a topic the capsule publishes to has no room. */
  isHeld(): boolean;
  /** A delivery was given up; the record is durable or, for an ephemeral one, not made. */
  readonly deadLetter: TurnSettlementParts["deadLetter"];
  /** The sandbox host died and was replaced. */
  hostDied(reason: string): void;
  /** None could be opened in its place; it is tried again. */
  noHost(problem: VnesError): void;
  /** The shard cannot go on by itself: the capsule must be suspended. */
  giveUp(error: unknown): void;
}
