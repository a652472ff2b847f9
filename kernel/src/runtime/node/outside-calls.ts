/** Calls made from outside the capsules: by a person, by the kernel itself, or by the node a person asked. Kept nowhere. */
import type { Answer, Delivery, Json } from "@vnes/schemas";
import type { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { checkedAnswer, loadedProvider, providerShard, refusal } from "./call-lookup.ts";
import type { ControlCalls } from "./control-calls.ts";
import type { Switchboard } from "./router.ts";

export class OutsideCalls {
  readonly #board: Switchboard;
  readonly #control: ControlCalls;
  readonly #remote: RemoteRoutes | undefined;

  constructor(board: Switchboard, control: ControlCalls, remote: RemoteRoutes | undefined) {
    this.#board = board;
    this.#control = control;
    this.#remote = remote;
  }

  /**
   * Resolves with the answer, coded when nobody can give one. `isArrived`: asked on another node, which has found that
   * the provider is here.
   * Not an async function: the promise of the answer, made by `open`, is the only one a call costs.
   */
  call(
    capability: string,
    method: string,
    input: Json,
    timeoutMs: number,
    isArrived = false,
  ): Promise<Answer> {
    const found = loadedProvider(this.#board, capability);
    if ("ok" in found) return Promise.resolve(found);
    const definition = found.methods.get(method);
    if (definition === undefined)
      return Promise.resolve(refusal("CALL_METHOD_UNKNOWN", { capability, method }));
    const [problem] = definition.input(input);
    if (problem !== undefined) {
      const details = { capability, method, pointer: problem.pointer || "/", problem: problem.message };
      return Promise.resolve(refusal("CALL_INPUT_INVALID", details));
    }
    const { callId, deadlineAt, answer } = this.#control.open({ capability, method, timeoutMs });
    const end = (given: Answer): void => void this.#control.end(callId, given);
    const { provider } = found;
    const device = this.#board.devices.get(provider);
    if (device !== undefined) {
      return device.call({ callId, capability, method, input }).then((given) => {
        end(checkedAnswer(definition, capability, method, given));
        return answer;
      });
    }
    const name = providerShard(this.#board, provider, definition, input);
    const shard = this.#board.shards.get(name);
    const call = { capability, method, input };
    const asked =
      shard === undefined && !isArrived ? this.#remote?.call(name, { ...call, timeoutMs }) : undefined;
    const delivery: Delivery = { kind: "call", callId, ...call, caller: "control", deadlineAt };
    if (asked !== undefined)
      void asked.then((given) => end(checkedAnswer(definition, capability, method, given)));
    else if (shard === undefined) end(refusal("CALL_CAPABILITY_UNAVAILABLE", { capability }));
    else if (shard.isPaused) end(refusal("CAPSULE_SUSPENDED", { capsule: provider }));
    else if (!shard.receiveValue("control", delivery))
      end(refusal("CALL_INBOX_FULL", { capsule: provider, waiting: shard.inbox.waiting }));
    return answer;
  }
}
