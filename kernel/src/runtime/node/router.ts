/**
 * Takes what a committed turn asked for to whoever has to receive it: on this node, or, what is not here, by `remote`.
 *
 * R1. Effects of one sender reach one receiver in the order they were asked for.
 * R2. `confirm` is called once the receiver needs no repeat: a partition or a capsule shard when the effect is durable
 *     there, everything else at once.
 * R3. What cannot be delivered is answered with a code or counted; nothing disappears.
 */
import type { Answer, Delivery, Effect, Json, ReadEffect } from "@vnes/schemas";
import type { RemoteRoutes } from "../../cluster/remote-routes.ts";
import type { Capabilities } from "../../bus/capabilities.ts";
import { capsuleOf, capsuleShard, topicShard } from "../../bus/routing.ts";
import { eventProblem, isDurable, partitionOf, type Topics } from "../../bus/topics.ts";
import { isNodeShard, shardForKey } from "../../placement/shard-names.ts";
import { formatEffectId, parseEffectId } from "../../ledger/effect-id.ts";
import type { Confirm, OutboxEntry } from "../../ledger/outbox.ts";
import type { PendingCall } from "../../ledger/shard-state.ts";
import { requestOf, type StateRequest } from "../../ledger/state-request.ts";
import { checkedAnswer, methodOf, providerShard, refusal } from "./call-lookup.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { ControlCalls } from "./control-calls.ts";
import type { Counters } from "./counters.ts";
import type { DeviceRunner } from "./device-runner.ts";
import type { FlowGate } from "../topics/flow-gate.ts";
import type { Partition } from "../topics/partition.ts";
import type { StateReads } from "../state/state-reads.ts";

/** A chain of calls longer than this is a circle. */
const MAX_CALL_DEPTH = 16;

/** What the router looks things up in; filled while the node boots, emptied while it stops. */
export interface Switchboard {
  topics: Topics;
  capabilities: Capabilities;
  readonly partitions: Map<string, Partition>;
  readonly shards: Map<string, CapsuleShard>;
  readonly devices: Map<string, DeviceRunner>;
  /** Names of the shards of each logic capsule that is loaded, here or on other nodes, by slot. */
  readonly slots: Map<string, readonly string[]>;
  /** What capsules would like to call and may not: names of capabilities by capsule. */
  outOfReach: ReadonlyMap<string, ReadonlySet<string>>;
  readonly flow: FlowGate;
}

type Publish = Extract<Effect, { do: "publish" }>;
type Call = Extract<Effect, { do: "call" }>;
type AnswerEffect = Extract<Effect, { do: "answer" }>;
type Refuse = (answer: Answer) => void;

export class Router {
  readonly #board: Switchboard;
  readonly #control: ControlCalls;
  readonly #counters: Counters;
  readonly #reads: StateReads;
  readonly #remote: RemoteRoutes | undefined;

  constructor(
    board: Switchboard,
    control: ControlCalls,
    counters: Counters,
    reads: StateReads,
    remote?: RemoteRoutes,
  ) {
    this.#reads = reads;
    this.#remote = remote;
    this.#board = board;
    this.#control = control;
    this.#counters = counters;
  }

  /** `lost`: a partition here does not take the event before the next boot. */
  route(entry: OutboxEntry, confirm: Confirm, lost?: (problem: unknown) => void): void {
    this.#take(entry, confirm, undefined, lost);
  }

  /** An effect of a shard of another node: it is for a shard here, or `refuse` says why it is not. */
  arrive(entry: OutboxEntry, confirm: Confirm, refuse: Refuse): void {
    this.#take(entry, confirm, refuse);
  }

  /** An event of an ephemeral topic, published on another node. */
  arriveEphemeral(topicName: string, key: string, event: Json): void {
    const topic = this.#board.topics.get(topicName);
    if (topic === undefined || isDurable(topic) || eventProblem(topic, event) !== undefined)
      this.#counters.add("ephemeral.arrivedInvalid");
    else this.#publishEphemeral(topicName, key, event, true);
  }

  /** `refused`: it came from another node, which is told; undefined: its sender is here. */
  #take(
    entry: OutboxEntry,
    confirm: Confirm,
    refused: Refuse | undefined,
    lost?: (problem: unknown) => void,
  ): void {
    const { effect } = entry;
    switch (effect.do) {
      case "publish":
        this.#publish(entry, effect, confirm, refused, lost);
        return;
      case "call":
        this.#call(entry, effect, confirm, refused);
        return;
      case "read":
        this.#read(entry, effect, confirm);
        return;
      case "answer":
        this.#answer(entry, effect, confirm, refused);
        return;
    }
  }

  /** What a driver reports: checked like any publish, never kept. */
  publishFromDevice(declared: ReadonlySet<string>, topicName: string, key: string, event: Json): void {
    const topic = this.#board.topics.get(topicName);
    if (topic === undefined || !declared.has(topicName) || isDurable(topic)) {
      this.#counters.add("device.publishRefused");
      return;
    }
    if (eventProblem(topic, event) !== undefined) {
      this.#counters.add("device.eventInvalid");
      return;
    }
    this.#publishEphemeral(topicName, key, event);
  }

  /** What a person publishes on a topic that nobody keeps; checked already. */
  publishFromControl(topic: string, key: string, event: Json): void {
    this.#publishEphemeral(topic, key, event);
  }

  /** After a crash: ends or repeats a call to a driver that was under way. */
  recoverDeviceCall(caller: CapsuleShard, call: PendingCall): void {
    const { capability, method, callId } = call;
    if (this.mayRepeat(call)) this.#callDevice(caller, capability, method, call.input, callId);
    else this.#giveAnswer(caller, callId, refusal("CALL_DROPPED_ON_RECOVERY", { capability, method }));
  }

  /** After a crash: nobody here knows what `former` made of it (RE3 of `recovered-effects.ts`). */
  endInDoubt(caller: CapsuleShard, { callId, capability, method }: PendingCall, former: string): void {
    this.#giveAnswer(caller, callId, refusal("CALL_PROVIDER_CHANGED", { capability, method, former }));
  }

  /** Whether doing it twice is as good as once, by the word of who provides it now. */
  mayRepeat({ capability, method }: PendingCall): boolean {
    const definition = methodOf(this.#board, capability, method);
    return !("ok" in definition) && definition.effect === "idempotent";
  }

  /** After a crash: a read that had no answer is asked again. */
  recoverRead(caller: CapsuleShard, { callId, input }: PendingCall): void {
    this.#readFor(caller, callId, input as unknown as StateRequest);
  }

  isDeviceCall(capability: string): boolean {
    return this.#board.devices.has(this.#board.capabilities.get(capability)?.provider ?? "");
  }

  #publish(
    entry: OutboxEntry,
    effect: Publish,
    confirm: Confirm,
    refused: Refuse | undefined,
    lost?: (problem: unknown) => void,
  ): void {
    const topic = this.#board.topics.get(effect.topic);
    if (topic === undefined) {
      this.#counters.add("topic.gone");
      confirm(entry);
      return;
    }
    if (!isDurable(topic)) {
      this.#publishEphemeral(effect.topic, effect.key, effect.event);
      confirm(entry);
      return;
    }
    const index = partitionOf(topic, effect.key, effect.event);
    const name = topicShard(effect.topic, index);
    const partition = this.#board.partitions.get(name);
    if (partition === undefined) {
      if (refused !== undefined || !this.#isSent(name, entry, confirm)) this.#counters.add("topic.gone");
      return;
    }
    // A partition that lost its shard stops the node; the effect stays in the sender's outbox for the next owner.
    const done = (problem?: unknown): void => {
      if (problem === undefined) return confirm(entry);
      this.#counters.add("topic.appendFailed");
      lost?.(problem);
    };
    partition.append({ source: entry.id, key: effect.key, event: effect.event, done });
  }

  #publishEphemeral(name: string, key: string, event: Json, isArrived = false): void {
    const topic = this.#board.topics.get(name);
    if (topic === undefined) return;
    const partition = partitionOf(topic, key, event);
    const delivery = { kind: "event", topic: name, partition, seq: null, key, event } as const;
    let isWantedElsewhere = false;
    for (const subscriber of topic.subscribers) {
      const subscribed = shardForKey(this.#namesOf(subscriber), key);
      // What happens at a node's devices is for the shard beside them; it gets what is published on its own node.
      if (isArrived && isNodeShard(subscribed)) continue;
      const shard = this.#board.shards.get(subscribed);
      if (shard === undefined) {
        if (this.#remote?.isElsewhere(subscribed) === true) isWantedElsewhere = true;
        else this.#counters.add("ephemeral.noSubscriber");
      } else if (!shard.receiveEvent(delivery)) this.#counters.add("ephemeral.noSubscriber");
    }
    if (isWantedElsewhere && !isArrived) this.#remote?.publish(name, key, event);
  }

  #call(entry: OutboxEntry, effect: Call, confirm: Confirm, refused: Refuse | undefined): void {
    const { capability, method, input } = effect;
    const callId = formatEffectId(entry.id);
    const caller = this.#board.shards.get(entry.id.shard);
    const refuse =
      refused ??
      ((answer: Answer): void => {
        confirm(entry);
        if (caller !== undefined) this.#giveAnswer(caller, callId, answer);
      });
    if (entry.depth > MAX_CALL_DEPTH) {
      refuse(refusal("CALL_TOO_DEEP", { depth: entry.depth, limit: MAX_CALL_DEPTH }));
      return;
    }
    if (this.#board.outOfReach.get(capsuleOf(entry.id.shard))?.has(capability) === true) {
      refuse(refusal("CALL_CAPABILITY_UNAVAILABLE", { capability }));
      return;
    }
    const definition = methodOf(this.#board, capability, method);
    if ("ok" in definition) {
      refuse(definition);
      return;
    }
    if (this.isDeviceCall(capability)) {
      confirm(entry);
      if (caller !== undefined) this.#callDevice(caller, capability, method, input, callId);
      return;
    }
    const provider = this.#board.capabilities.get(capability)?.provider ?? "";
    const name = providerShard(this.#board, provider, definition, input);
    const shard = this.#board.shards.get(name);
    if (shard === undefined) {
      if (refused === undefined && this.#isSent(name, entry, confirm, refuse)) return;
      refuse(refusal("CALL_CAPABILITY_UNAVAILABLE", { capability }));
      return;
    }
    const deadlineAt = entry.at + effect.timeoutMs;
    const from = capsuleOf(entry.id.shard);
    const delivery: Delivery = { kind: "call", callId, capability, method, input, caller: from, deadlineAt };
    if (!shard.receive(entry.id, entry.depth, delivery, () => confirm(entry))) {
      refuse(refusal("CALL_INBOX_FULL", { capsule: provider, waiting: shard.inbox.waiting }));
    }
  }

  /** An answer lost in a crash is asked for again by `recoverRead`, so nothing has to be held back for it. */
  #read(entry: OutboxEntry, effect: ReadEffect, confirm: Confirm): void {
    confirm(entry);
    const { id } = entry;
    const caller = this.#board.shards.get(id.shard);
    if (caller !== undefined) this.#readFor(caller, formatEffectId(id), requestOf(effect));
  }

  #readFor(caller: CapsuleShard, callId: string, request: StateRequest): void {
    const reader = capsuleOf(caller.name);
    const slot = request.shard ?? 0;
    const owner = this.#namesOf(request.capsule)[slot] ?? capsuleShard(request.capsule, slot);
    const deadlineAt = caller.state.pending.get(callId)?.deadlineAt ?? 0;
    const elsewhere = this.#remote?.read(owner, { request, reader }, deadlineAt);
    void (elsewhere ?? this.#reads.answer(request, reader)).then((answer) =>
      this.#giveAnswer(caller, callId, answer),
    );
  }

  #answer(entry: OutboxEntry, effect: AnswerEffect, confirm: Confirm, refused: Refuse | undefined): void {
    const { callId, answer } = effect;
    if (!this.#control.isOurs(callId)) return this.#answerShard(entry, effect, confirm, refused);
    if (!this.#control.end(callId, answer)) this.#counters.add("answer.late");
    confirm(entry);
  }

  // By itself: what the functions in it share would be made for every answer to a call from outside.
  #answerShard(
    entry: OutboxEntry,
    { callId, answer }: AnswerEffect,
    confirm: Confirm,
    refused: Refuse | undefined,
  ): void {
    const name = parseEffectId(callId)?.shard ?? "";
    const caller = this.#board.shards.get(name);
    const pending = caller?.state.pending.get(callId);
    if (caller === undefined || pending === undefined) {
      if (caller === undefined && refused === undefined && this.#isSent(name, entry, confirm)) return;
      this.#counters.add("answer.late");
      // Late may be a second copy of one that was taken a moment ago and is not durable yet.
      if (caller === undefined) confirm(entry);
      else caller.whenDurable(() => confirm(entry));
      return;
    }
    const { tag, context, depth } = pending;
    caller.receive(entry.id, depth, { kind: "answer", callId, tag, context, answer }, () => confirm(entry));
  }

  #callDevice(caller: CapsuleShard, capability: string, method: string, input: Json, callId: string): void {
    const definition = methodOf(this.#board, capability, method);
    const device = this.#board.devices.get(this.#board.capabilities.get(capability)?.provider ?? "");
    if ("ok" in definition || device === undefined) {
      this.#giveAnswer(caller, callId, refusal("CALL_CAPABILITY_UNAVAILABLE", { capability }));
      return;
    }
    void device.call({ callId, capability, method, input }).then((given) => {
      this.#giveAnswer(caller, callId, checkedAnswer(definition, capability, method, given), "device");
    });
  }

  #giveAnswer(
    caller: CapsuleShard,
    callId: string,
    answer: Answer,
    from: "kernel" | "device" = "kernel",
  ): void {
    const pending = caller.state.pending.get(callId);
    if (pending === undefined) {
      this.#counters.add("answer.late");
      return;
    }
    const { tag, context, depth } = pending;
    caller.receiveValue(from, { kind: "answer", callId, tag, context, answer }, depth);
  }

  /** Of a capsule that is not loaded here the first one: another node may have it. */
  #namesOf(capsule: string): readonly string[] {
    return this.#board.slots.get(capsule) ?? [capsuleShard(capsule, 0)];
  }

  #isSent(shard: string, entry: OutboxEntry, confirm: Confirm, refuse?: Refuse): boolean {
    const confirmed = (): void => confirm(entry);
    return (
      shard !== "" &&
      this.#remote?.send(shard, entry, { confirm: confirmed, refuse: refuse ?? confirmed }) === true
    );
  }
}
