/** Calls made from outside the capsules: by a person, by the kernel itself, or by the node a person asked. Kept nowhere. */
import type { Answer, Delivery, Json } from "@vnes/schemas";
import type { Method } from "../../bus/capabilities.ts";
import type { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { checkedAnswer, loadedProvider, methodUnknown, providerShard, refusal } from "./call-lookup.ts";
import type { ControlCalls } from "./control-calls.ts";
import type { DeviceRunner } from "./device-runner.ts";
import type { Switchboard } from "./router.ts";

type CallDelivery = Extract<Delivery, { kind: "call" }>;

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
    if (definition === undefined) return Promise.resolve(methodUnknown(found, method));
    const [problem] = definition.input(input);
    if (problem !== undefined) {
      const { pointer, message } = problem;
      const details = {
        capability,
        method,
        provider: found.provider,
        pointer: pointer || "/",
        problem: message,
      };
      return Promise.resolve(refusal("CALL_INPUT_INVALID", details));
    }
    const { callId, deadlineAt, answer } = this.#control.open({ capability, method, timeoutMs });
    const delivery = {
      kind: "call",
      callId,
      capability,
      method,
      input,
      caller: "control",
      deadlineAt,
    } as const;
    const device = this.#board.devices.get(found.provider);
    if (device !== undefined) return this.#callDevice(device, definition, delivery, answer);
    const name = providerShard(this.#board, found.provider, definition, input);
    const shard = this.#board.shards.get(name);
    if (shard === undefined)
      this.#callElsewhere(name, definition, delivery, isArrived ? undefined : timeoutMs);
    else if (shard.isPaused)
      this.#control.end(callId, refusal("CAPSULE_SUSPENDED", { capsule: found.provider }));
    else if (!shard.receiveValue("control", delivery)) {
      const details = { capsule: found.provider, waiting: shard.inbox.waiting };
      this.#control.end(callId, refusal("CALL_INBOX_FULL", details));
    }
    return answer;
  }

  // What waits for something stands apart: a function within `call` would make every call allocate what it shares with it.
  async #callDevice(
    device: DeviceRunner,
    definition: Method,
    { callId, capability, method, input }: CallDelivery,
    answer: Promise<Answer>,
  ): Promise<Answer> {
    const given = await device.call({ callId, capability, method, input });
    this.#control.end(callId, checkedAnswer(definition, capability, method, given));
    return answer;
  }

  /** `timeoutMs`: undefined when no other node is to be asked. */
  #callElsewhere(
    shard: string,
    definition: Method,
    { callId, capability, method, input }: CallDelivery,
    timeoutMs: number | undefined,
  ): void {
    const asked =
      timeoutMs === undefined
        ? undefined
        : this.#remote?.call(shard, { capability, method, input, timeoutMs });
    if (asked === undefined)
      this.#control.end(callId, refusal("CALL_CAPABILITY_UNAVAILABLE", { capability }));
    else
      void asked.then((given) =>
        this.#control.end(callId, checkedAnswer(definition, capability, method, given)),
      );
  }
}
