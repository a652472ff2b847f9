/**
 * Runs the turns of a branch, one after the other, in a sandbox of its own. It judges them by the same rules as the shard itself,
 * and has nowhere to release anything to.
 */
import type { Delivery, Effect, Json, TurnRequest, TurnResult } from "@vnes/schemas";
import type { TurnRules } from "../../bus/turn-check.ts";
import { type Failure, judgeTurn } from "../../bus/turn-verdict.ts";
import type { TurnRecord } from "../../ledger/record.ts";
import { failedTurn, KeyRounds } from "../../ledger/key-rounds.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import type { Sandbox, SandboxInstance, SandboxSpec } from "../../ports/sandbox.ts";

export interface BranchDelivery {
  readonly at: number;
  readonly seed: string;
  readonly delivery: Delivery;
}

export class BranchRunner {
  readonly #instance: SandboxInstance;
  readonly #rules: TurnRules;
  readonly #state: ShardState;
  #turn = 0;

  private constructor(instance: SandboxInstance, rules: TurnRules, state: ShardState) {
    this.#instance = instance;
    this.#rules = rules;
    this.#state = state;
  }

  static async open(
    sandbox: Sandbox,
    spec: SandboxSpec,
    rules: TurnRules,
    state: ShardState,
  ): Promise<BranchRunner> {
    return new BranchRunner(await sandbox.open(spec), rules, state);
  }

  /** The turn's record, for the caller to fold into the state; undefined for a delivery that has nothing to be delivered to any more. */
  async run({ at, seed, delivery }: BranchDelivery): Promise<TurnRecord | undefined> {
    const request = { turn: ++this.#turn, at: Math.max(this.#state.at, at), seed, delivery };
    const result = await this.#finish(request);
    const input = { from: "control", depth: 0, delivery } as const;
    const verdict = judgeTurn({ input, delivery }, result, this.#rules, this.#state);
    if (verdict.poisoned) await this.#instance.reset();
    if (verdict.kind === "stale") return undefined;
    const seq = this.#state.seq + 1;
    return {
      v: 1,
      kind: "turn",
      seq,
      at: request.at,
      seed,
      input,
      outcome:
        verdict.kind === "done" ? "ok" : { failed: verdict.failure.code, message: verdict.failure.message },
      effects: verdict.kind === "done" ? verdict.effects : instead(delivery, verdict.failure),
      // Whatever the turns before asked for has got as far as it ever will.
      released: seq - 1,
    };
  }

  async close(): Promise<void> {
    await this.#instance.dispose();
  }

  async #finish(asked: TurnRequest): Promise<Exclude<TurnResult, { kind: "needKeys" }>> {
    const given = new KeyRounds();
    let request = asked;
    while (true) {
      const [result] = (await this.#instance.deliver([request])) as [TurnResult];
      if (result.kind !== "needKeys") return result;
      const refused = given.serve(this.#state, result);
      if (refused !== undefined) return failedTurn(request.turn, refused);
      request = { ...request, keys: given.keys, ranges: given.ranges };
    }
  }
}

/** What the kernel says in the place of a turn that failed. */
function instead(delivery: Delivery, { code, message, details }: Failure): readonly Effect[] {
  if (delivery.kind !== "call") return [];
  const known = details === undefined ? {} : { details: JSON.parse(JSON.stringify(details)) as Json };
  return [{ do: "answer", callId: delivery.callId, answer: { ok: false, code, message, ...known } }];
}
