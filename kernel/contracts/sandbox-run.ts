/** One test of the sandbox contract: the instances it opens, the turns it asks for, and what is read out of their results. */
import assert from "node:assert/strict";
import type { RepeatedBatch, Sandbox, SandboxInstance, SandboxLimits, SandboxSpec } from "@vnes/kernel";
import type { Delivery, Json, TurnRequest, TurnResult } from "@vnes/schemas";
import type { KeyTable } from "@vnes/sdk/testing";
import { AT, LIMITS } from "./sandbox-lab.ts";

export interface OpenedSandbox {
  readonly sandbox: Sandbox;
  /** A spec that runs the contract's capsule, of id `test.contract`. */
  spec(instance: string, group: string, limits: SandboxLimits): SandboxSpec;
  cleanup(): Promise<void>;
}

/** A deadline that a contract means to meet it asks for: no other turn is to meet one on a busy machine, in any language. */
const TURN_MS = 2_000;

export class ContractRun {
  readonly #opened: OpenedSandbox;
  readonly #instances: SandboxInstance[] = [];
  #turn = 0;

  constructor(opened: OpenedSandbox) {
    this.#opened = opened;
  }

  spec(instance = "test.contract/0", group = "contract", limits: Partial<SandboxLimits> = {}): SandboxSpec {
    return this.#opened.spec(instance, group, { ...LIMITS, turnMs: TURN_MS, ...limits });
  }

  async open(...spec: Parameters<ContractRun["spec"]>): Promise<SandboxInstance> {
    return await this.start(this.spec(...spec));
  }

  async start(spec: SandboxSpec): Promise<SandboxInstance> {
    const instance = await this.#opened.sandbox.open(spec);
    this.#instances.push(instance);
    return instance;
  }

  /** Gives back what was opened. The sandbox is shared by all tests of a contract. */
  async end(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.dispose()));
  }

  request(delivery: Delivery): TurnRequest {
    const turn = ++this.#turn;
    return { turn, at: AT, seed: turn.toString(16).padStart(16, "0"), delivery };
  }

  call(method: string, input: Json, turn = ++this.#turn): TurnRequest {
    const callId = `caller/0:${turn}:0`;
    const delivery = {
      kind: "call",
      callId,
      capability: "contract",
      method,
      input,
      caller: "test.caller",
      deadlineAt: AT + 1,
    } as const;
    return { turn, at: AT, seed: turn.toString(16).padStart(16, "0"), delivery };
  }

  /** Until the turn has ended, giving it the keys it asks for. */
  async finish(instance: SandboxInstance, request: TurnRequest, keys: KeyTable): Promise<TurnResult> {
    let asked = request;
    for (let round = 0; round < 100; round++) {
      const [result] = (await instance.deliver([asked])) as [TurnResult];
      if (result.kind !== "needKeys") {
        if (result.kind === "done") keys.apply(result.effects);
        return result;
      }
      asked = keys.serve(asked, result);
    }
    return assert.fail("the turn does not end");
  }
}

export function repeated(batch: readonly TurnRequest[], expected: readonly TurnResult[]): RepeatedBatch {
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  return { turns: batch.map(({ turn }) => turn), requests: text(batch), expected: text(expected) };
}

export function neededOf(result: TurnResult): readonly string[] {
  assert.equal(result.kind, "needKeys", JSON.stringify(result));
  return result.kind === "needKeys" ? result.keys : [];
}
