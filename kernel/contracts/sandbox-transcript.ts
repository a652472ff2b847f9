/** The script of the sandbox contract: one of every delivery there is, to its capsule. */
import type { SandboxInstance } from "@vnes/kernel";
import type { BatchEvent, Delivery, Json, TurnResult } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import { MemorySandbox } from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import { contractHandlers } from "./sandbox-capsule.ts";
import { AT, imageOf } from "./sandbox-lab.ts";
import { ContractRun, type OpenedSandbox } from "./sandbox-run.ts";

/** The contract's capsule in this process, under no limit: what the others are compared with. */
export function openModel(): OpenedSandbox {
  const sandbox = new MemorySandbox({ "test.contract": () => capsule(contractHandlers) });
  return {
    sandbox,
    spec: (instance, group, limits) => ({
      instance,
      image: imageOf({}),
      language: "javascript",
      entry: "impl/main.js",
      zone: "system",
      group,
      limits,
    }),
    cleanup: () => sandbox[Symbol.asyncDispose](),
  };
}

export async function modelTranscript(): Promise<readonly TurnResult[]> {
  const model = openModel();
  try {
    return await transcript(new ContractRun(model), false);
  } finally {
    await model.cleanup();
  }
}

/** The same deliveries, in one instance or in a new one for each. */
export async function transcript(run: ContractRun, fresh: boolean): Promise<readonly TurnResult[]> {
  const call = (method: string, input: Json): Delivery => ({
    kind: "call",
    callId: `caller/0:${method}`,
    capability: "contract",
    method,
    input,
    caller: "test.caller",
    deadlineAt: AT + 1,
  });
  const event = (seq: number, key: string, amount: number): Delivery => ({
    kind: "event",
    topic: "contract.v1",
    partition: 0,
    seq,
    key,
    event: amount,
  });
  const answer = { ok: true, value: [1, "ä\u2028", null] } as const;
  const script: Delivery[] = [
    { kind: "start", config: { a: 1 }, resumed: false },
    ...[1, 2, 3].map((seq) => event(seq, `k${seq % 2}`, seq)),
    { kind: "batch", topic: "contract.v1", partition: 0, events: batchOf([4, 5, 7]) },
    { kind: "batch", topic: "unknown.v1", partition: 0, events: batchOf([1]) },
    call("add", "a"),
    call("add", "b"),
    call("fail", "a"),
    call("add", "a"),
    call("list", null),
    call("drop", "a"),
    call("list", null),
    call("add", "a"),
    call("swap", { key: "a", value: 2 }),
    call("swap", { key: "c", value: 3 }),
    { kind: "expiry", key: "n/c", version: 1, dueAt: AT },
    call("list", null),
    call("refuse", null),
    call("nothing", null),
    call("ask", null),
    { kind: "answer", callId: "made", tag: "asked", context: { callId: "caller/0:ask" }, answer },
    { kind: "timer", id: "slow:1", dueAt: AT, payload: { callId: "x" } },
    { kind: "timer", id: "unknown:1", dueAt: AT, payload: null },
    call("swallow", null),
  ];
  const keys = new KeyTable();
  const results: TurnResult[] = [];
  let turn = 0;
  // Keeps the group's host while instances come and go.
  const keeper = await run.open("test.contract/1");
  let instance: SandboxInstance | undefined;
  for (const delivery of script) {
    instance ??= await run.open();
    turn += 1;
    const request = { turn, at: AT + turn, seed: (turn * 7919).toString(16).padStart(16, "0"), delivery };
    results.push(await run.finish(instance, request, keys));
    if (!fresh) continue;
    await instance.dispose();
    instance = undefined;
  }
  await instance?.dispose();
  await keeper.dispose();
  return results;
}

function batchOf(seqs: readonly number[]): readonly BatchEvent[] {
  return seqs.map((seq) => ({ seq, key: `k${seq}`, event: seq }));
}
