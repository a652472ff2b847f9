/**
 * A node with its real capsules in a lab, and a transport that obeys `vpn.transport` and `vpn.channel.v1`. What a node keeps (keys,
 * timers, calls, exactly-once events) survives its restart; what a driver knew does not. Every turn's effects are checked against
 * the manifests and schemas as the kernel checks them.
 */
import assert from "node:assert/strict";
import type { Answer, Capsule, Delivery, Effect, Json, JsonObject } from "@vnes/sdk";
import type { PendingCall } from "../../../kernel/src/ledger/shard-state.ts";
import type { Lab } from "./lab.ts";
import { METHODS, mustFit, type Spec, TOPICS, UNKEPT } from "./specs.ts";

interface Running {
  readonly spec: Spec;
  readonly capsule: Capsule;
  config: Json;
  readonly keys: Map<string, Json>;
  readonly timers: Map<string, { at: number; payload: Json; order: number }>;
  started: boolean;
  turns: number;
}

/** As a shard of the kernel keeps it, and who asked. */
interface LabCall extends Omit<PendingCall, "depth"> {
  readonly from: Running | "control";
  readonly onAnswer?: (answer: Answer) => void;
}

/** One definition serves every node of every lab of the process: what it cached is of the one that ran it last. */
const lastToRun = new WeakMap<Capsule, Running>();

export interface Driver {
  call(method: string, input: JsonObject, answer: (answer: Answer) => void): void;
  stop(): void;
}

export type Published = { readonly topic: string; readonly key: string; readonly event: JsonObject };

export class Node {
  readonly published: Published[] = [];
  /** Ids of capsules that are suspended: calls of them wait. */
  readonly deaf: Set<string> = new Set();
  up = false;
  boots = 0;
  /** Deliveries of a machine that sleeps; undefined: it is awake. */
  #missed: (() => void)[] | undefined;
  readonly #running: Running[] = [];
  readonly #open = new Map<string, LabCall>();
  /** Deliveries a ledger would still hold after a crash. */
  readonly #durable = new Set<() => void>();
  #driver: Driver | undefined;
  readonly lab: Lab;
  readonly name: string;
  readonly #makeDriver: (node: Node) => Driver;

  constructor(lab: Lab, name: string, makeDriver: (node: Node) => Driver) {
    this.lab = lab;
    this.name = name;
    this.#makeDriver = makeDriver;
  }

  add(spec: Spec, capsule: Capsule, config: Json): void {
    this.#running.push({
      spec,
      capsule,
      config,
      keys: new Map(),
      timers: new Map(),
      started: false,
      turns: 0,
    });
  }

  /** As `vnes capsule unload` does. */
  remove(id: string): void {
    this.#running.splice(this.#running.indexOf(this.#of(id)), 1);
  }

  keysOf(id: string): ReadonlyMap<string, Json> {
    return this.#of(id).keys;
  }

  /** Ids of the timers that are set. */
  timersOf(id: string): readonly string[] {
    return [...(this.#running.find(({ spec }) => spec.id === id)?.timers.keys() ?? [])];
  }

  boot(): void {
    assert.ok(!this.up);
    this.up = true;
    this.boots++;
    this.#driver = this.#makeDriver(this);
    const before = [...this.#open.values()];
    for (const running of this.#running) {
      const resumed = running.started;
      running.started = true;
      this.#turn(running, { kind: "start", config: running.config, resumed });
    }
    // As recovery does: what was asked of the driver and not answered is dropped or applied again.
    for (const call of before) {
      if (call.capability !== "vpn.transport") continue;
      if (METHODS.get(`vpn.transport.${call.method}`)?.effect === "idempotent") this.#askDriver(call);
      else {
        const message = "the node restarted";
        this.#end(call.callId, { ok: false, code: "CALL_DROPPED_ON_RECOVERY", message });
      }
    }
    for (const deliver of this.#durable) this.#soon(deliver);
    for (const running of this.#running) for (const id of running.timers.keys()) this.#armTimer(running, id);
  }

  kill(): void {
    assert.ok(this.up);
    this.up = false;
    this.#driver?.stop();
    for (const running of this.#running) running.capsule.reset();
  }

  /** A person edits the configuration of a capsule and boots the node again. */
  reconfigure(id: string, config: Json): void {
    this.#of(id).config = config;
    this.restart(100);
  }

  restart(downMs: number): void {
    this.kill();
    this.lab.advance(downMs);
    this.boot();
  }

  /** The whole machine stands still: its timers fire late, and what was sent to it meanwhile is lost. */
  sleep(ms: number): void {
    this.#missed = [];
    this.lab.advance(ms);
    const missed = this.#missed;
    this.#missed = undefined;
    for (const deliver of missed) this.#soon(deliver);
  }

  /** Something the driver says: lost, doubled and forgotten as an at-most-once event is. */
  report(event: JsonObject): void {
    mustFit(TOPICS.get("vpn.channel.v1"), event, "vpn.channel.v1");
    if (!this.up || this.#missed !== undefined || this.lab.chance(this.lab.faults.eventLost)) return;
    const times = this.lab.chance(this.lab.faults.eventTwice) ? 2 : 1;
    const boots = this.boots;
    for (let time = 0; time < times; time++) {
      for (const running of this.#running) {
        if (!running.spec.subscribes.includes("vpn.channel.v1")) continue;
        this.lab.after(0, () => {
          if (!this.up || boots !== this.boots) return;
          const key = event["peer"] as string;
          const topic = "vpn.channel.v1";
          this.#turn(running, { kind: "event", topic, partition: 0, seq: null, key, event });
        });
      }
    }
  }

  /** What a person at the command line does; time moves until the answer is there. */
  ask(capability: string, method: string, input: Json): Answer {
    let answered: Answer | undefined;
    const onAnswer = (answer: Answer): void => {
      answered = answer;
    };
    this.#call("control", { capability, method, input, tag: "", context: null, timeoutMs: 5000 }, onAnswer);
    assert.ok(this.lab.until(() => answered !== undefined, 6000));
    return answered as Answer;
  }

  value(capability: string, method: string, input: Json): JsonObject {
    const answer = this.ask(capability, method, input);
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.value as JsonObject;
  }

  #of(id: string): Running {
    const found = this.#running.find((running) => running.spec.id === id);
    assert.ok(found, id);
    return found;
  }

  #soon(deliver: () => void): void {
    this.#durable.add(deliver);
    const boots = this.boots;
    this.lab.after(0, () => {
      if (!this.up || boots !== this.boots || !this.#durable.delete(deliver)) return;
      deliver();
    });
  }

  #turn(running: Running, delivery: Delivery): void {
    if (this.#missed !== undefined) {
      this.#missed.push(() => this.#turn(running, delivery));
      return;
    }
    // Sometimes with its cache, sometimes as in a fresh isolate: no turn may tell the difference.
    if (this.lab.chance(0.5) || lastToRun.get(running.capsule) !== running) running.capsule.reset();
    lastToRun.set(running.capsule, running);
    running.turns++;
    const request = { turn: running.turns, at: this.lab.now, seed: this.lab.hex(16), delivery };
    let result = running.capsule.deliver(request);
    while (result.kind === "needKeys") {
      const keys: [string, Json?][] = result.keys.map((key) => {
        const value = running.keys.get(key);
        return value === undefined ? [key] : [key, value];
      });
      for (const prefix of result.ranges) {
        for (const [key, value] of running.keys) if (key.startsWith(prefix)) keys.push([key, value]);
      }
      result = running.capsule.deliver({ ...request, keys, ranges: result.ranges });
    }
    if (result.kind === "failed") {
      assert.fail(`${running.spec.id} failed ${JSON.stringify(delivery)}: ${result.code} ${result.message}`);
    }
    for (const effect of result.effects) this.#apply(running, effect);
  }

  #apply(running: Running, effect: Effect): void {
    const { spec } = running;
    switch (effect.do) {
      case "write":
      case "delete":
        assert.ok(
          spec.owns.some((prefix) => effect.key.startsWith(prefix)),
          `${spec.id} owns no ${effect.key}`,
        );
        if (effect.do === "write") running.keys.set(effect.key, effect.value);
        else running.keys.delete(effect.key);
        return;
      case "publish":
        assert.ok(spec.publishes.includes(effect.topic), `${spec.id} publishes no ${effect.topic}`);
        mustFit(TOPICS.get(effect.topic), effect.event, effect.topic);
        return UNKEPT.includes(effect.topic) ? this.#say(effect) : this.#publish(effect);
      case "call":
        assert.ok(spec.requires.includes(effect.capability), `${spec.id} requires no ${effect.capability}`);
        return this.#call(running, effect);
      case "read":
        return assert.fail(`${spec.id} reads keys of ${effect.capsule}: this lab has no such state`);
      case "answer": {
        const open = this.#open.get(effect.callId);
        assert.ok(open, "an answer to a call nobody made");
        if (effect.answer.ok) {
          const method = `${open.capability}.${open.method}`;
          mustFit(METHODS.get(method)?.output, effect.answer.value, `${method}.output`);
        }
        return this.#end(effect.callId, effect.answer);
      }
      case "setTimer":
        running.timers.set(effect.id, { at: effect.at, payload: effect.payload, order: running.turns });
        return this.#armTimer(running, effect.id);
      case "cancelTimer":
        running.timers.delete(effect.id);
    }
  }

  /** As on a node: what nobody keeps reaches whoever listens now. */
  #say({ topic, key, event }: Extract<Effect, { do: "publish" }>): void {
    const boots = this.boots;
    for (const running of this.#running) {
      if (!running.spec.subscribes.includes(topic)) continue;
      this.lab.after(0, () => {
        if (!this.up || boots !== this.boots) return;
        this.#turn(running, { kind: "event", topic, partition: 0, seq: null, key, event });
      });
    }
  }

  #publish({ topic, key, event }: Published | Extract<Effect, { do: "publish" }>): void {
    this.published.push({ topic, key, event: event as JsonObject });
    const seq = this.published.length;
    for (const running of this.#running) {
      if (!running.spec.subscribes.includes(topic)) continue;
      this.#soon(() => this.#turn(running, { kind: "event", topic, partition: 0, seq, key, event }));
    }
  }

  #call(
    from: Running | "control",
    call: {
      readonly capability: string;
      readonly method: string;
      readonly input: Json;
      readonly tag: string;
      readonly context: Json;
      readonly timeoutMs: number;
    },
    onAnswer?: (answer: Answer) => void,
  ): void {
    const { capability, method, input, tag, context } = call;
    mustFit(METHODS.get(`${capability}.${method}`)?.input, input, `${capability}.${method}.input`);
    const callId = `call_${this.lab.hex(12)}`;
    const deadlineAt = this.lab.now + call.timeoutMs;
    const open: LabCall = {
      callId,
      from,
      tag,
      context,
      capability,
      method,
      input,
      deadlineAt,
      ...(onAnswer === undefined ? {} : { onAnswer }),
    };
    this.#open.set(callId, open);
    this.lab.after(call.timeoutMs, () =>
      this.#end(callId, { ok: false, code: "CALL_TIMEOUT", message: `no answer in ${call.timeoutMs} ms` }),
    );
    if (capability === "vpn.transport") return this.#askDriver(open);
    const provider = this.#running.find((running) => running.spec.provides.includes(capability));
    if (provider === undefined) {
      assert.ok(from !== "control" && from.spec.optional.includes(capability), capability);
      const message = `nothing active on this node provides ${capability}`;
      return this.#end(callId, { ok: false, code: "CALL_CAPABILITY_UNAVAILABLE", message });
    }
    if (this.deaf.has(provider.spec.id)) return;
    const caller = from === "control" ? "control" : from.spec.id;
    this.#soon(() =>
      this.#turn(provider, { kind: "call", callId, capability, method, input, caller, deadlineAt }),
    );
  }

  #askDriver(call: LabCall): void {
    const boots = this.boots;
    this.lab.after(0, () => {
      if (!this.up || boots !== this.boots) return;
      this.#driver?.call(call.method, call.input as JsonObject, (answer) => {
        if (!this.up || boots !== this.boots) return;
        if (answer.ok) {
          const method = `vpn.transport.${call.method}`;
          mustFit(METHODS.get(method)?.output, answer.value, `${method}.output`);
        }
        this.#end(call.callId, answer);
      });
    });
  }

  #end(callId: string, answer: Answer): void {
    const call = this.#open.get(callId);
    if (!call) return;
    this.#open.delete(callId);
    if (call.from === "control") return call.onAnswer?.(answer);
    const { from, tag, context } = call;
    this.#soon(() => this.#turn(from, { kind: "answer", callId, tag, context, answer }));
  }

  #armTimer(running: Running, id: string): void {
    const timer = running.timers.get(id);
    if (!timer) return;
    const boots = this.boots;
    this.lab.after(Math.max(0, timer.at - this.lab.now), () => {
      if (!this.up || boots !== this.boots || running.timers.get(id) !== timer) return;
      running.timers.delete(id);
      this.#turn(running, { kind: "timer", id, dueAt: timer.at, payload: timer.payload });
    });
  }
}
