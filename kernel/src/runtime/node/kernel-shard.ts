/**
 * The kernel's own shard: what it decided (lifecycle transitions, verdicts, dead letters, deaths of hosts), each fact a
 * record, each published for whoever observes. Publishing waits until topics are open; facts do not.
 */
import type { Effect, Json, SignedHead, TopicDefinition, VnesError } from "@vnes/schemas";
import { DIAGNOSTICS_TOPIC, LIFECYCLE_TOPIC } from "../../bus/kernel-topics.ts";
import { eventProblem } from "../../bus/topics.ts";
import { type EffectId, formatEffectId } from "../../ledger/effect-id.ts";
import type { OutboxEntry } from "../../ledger/outbox.ts";
import type { KernelRecord } from "../../ledger/record.ts";
import { applyRecord, releasedSeq, type ShardState } from "../../ledger/shard-state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Counters } from "./counters.ts";
import type { Router, Switchboard } from "./router.ts";
import type { ShardLog } from "../ledger/shard-log.ts";

/** Failures can come as fast as frames; a person reads a few a second, the rest are counted. */
const MAX_DIAGNOSTICS_PER_MINUTE = 120;

export type Fact =
  | {
      readonly type: "lifecycle";
      readonly capsule: string;
      readonly version: string;
      readonly image: string;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    }
  | {
      readonly type: "diagnostic";
      /** What it is about: `admission`, `binding`, `deadLetter`, `hostDied`, `deviceDied`, `capsule`, `flow`, `topic`, `clock`. */
      readonly about: string;
      readonly code: string;
      readonly capsule: string;
      readonly message: string;
    }
  | { readonly type: "booted"; readonly node: string; readonly boot: string }
  /** A person published; the event is the effect of this record. */
  | { readonly type: "published"; readonly topic: string; readonly key: string }
  /** A policy capsule decided what a subscriber that lags gets, until it has caught up. */
  | {
      readonly type: "flowDecided";
      readonly topic: string;
      readonly subscriber: string;
      readonly by: string;
      readonly policy: string;
      readonly shed: string;
      readonly aggregate: string;
    }
  /** From here on events of the topic are checked against this definition. */
  | {
      readonly type: "topicDefined";
      readonly topic: string;
      readonly hash: string;
      readonly definition: TopicDefinition;
    }
  /** From here on the capsule provides the capability. `recorded-providers.ts` says which of them a boot has to know. */
  | {
      readonly type: "provider";
      readonly capability: string;
      readonly capsule: string;
      /** Where the calls that it takes are recorded. */
      readonly records: "here" | "elsewhere" | "none";
      /** Who was given calls until then of which this node cannot read what became of them. */
      readonly former: {
        readonly capsule: string;
        readonly records: "elsewhere" | "none";
        readonly until: number;
      } | null;
    }
  | { readonly type: "denied"; readonly capsule: string; readonly image: string; readonly reason: string }
  /** The node's word on its shards; `heads` as in an execution receipt. */
  | { readonly type: "heads"; readonly public_key: string; readonly heads: readonly SignedHead[] }
  /** A replay came out otherwise at this record. */
  | {
      readonly type: "diverged";
      readonly capsule: string;
      readonly image: string;
      readonly shard: string;
      readonly seq: number;
    };

export class KernelShard {
  readonly name: string;
  readonly state: ShardState;
  readonly #log: ShardLog;
  readonly #clock: Clock;
  readonly #board: Switchboard;
  readonly #counters: Counters;
  readonly #route: Router["route"];
  readonly #fail: (error: unknown) => void;
  /** By effect id: who waits for an event to be in its partition. */
  readonly #arrivals = new Map<string, PromiseWithResolvers<void>>();
  #publishing = false;
  #recorded: ((fact: Fact) => void) | undefined;
  /** Seq of the last record that is on the disk: what comes after it may yet be lost. */
  #durable: number;
  #minute = 0;
  #diagnostics = 0;

  constructor(parts: {
    readonly state: ShardState;
    readonly log: ShardLog;
    readonly clock: Clock;
    readonly board: Switchboard;
    readonly counters: Counters;
    readonly route: Router["route"];
    fail(error: unknown): void;
  }) {
    this.name = parts.state.shard;
    this.state = parts.state;
    this.#durable = parts.state.seq;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#board = parts.board;
    this.#counters = parts.counters;
    this.#route = parts.route;
    this.#fail = parts.fail;
  }

  /** Records a diagnostic unless there were too many this minute; false then, and it is counted. */
  report(fact: Fact & { readonly type: "diagnostic" }): boolean {
    if (!this.#isWithinRate(this.#clock.now())) return false;
    void this.record(fact);
    return true;
  }

  /** Resolves once the fact is durable. */
  async record(fact: Fact): Promise<void> {
    const at = Math.max(this.state.at, this.#clock.now());
    await this.#append(fact, publications(fact, at), at);
  }

  /**
   * Publishes through this shard's outbox, so that the event is in its partition exactly once; resolves when it is. Rejects when that
   * cannot be before the next boot, which takes it from the outbox if it is on record.
   */
  async publishEvent(topic: string, key: string, event: Json): Promise<EffectId> {
    const id = { shard: this.name, seq: this.state.seq + 1, index: 0 };
    const arrival = Promise.withResolvers<void>();
    this.#arrivals.set(formatEffectId(id), arrival);
    const at = Math.max(this.state.at, this.#clock.now());
    const effect = { do: "publish", topic, key, event } as const;
    // Together: it may be lost while its record is still on its way.
    await Promise.all([arrival.promise, this.#append({ type: "published", topic, key }, [effect], at)]);
    return id;
  }

  async #append(fact: Fact, effects: readonly Effect[], at: number): Promise<void> {
    const record: KernelRecord = {
      v: 1,
      kind: "kernel",
      seq: this.state.seq + 1,
      at,
      fact: fact as unknown as { readonly [key: string]: Json },
      effects,
      released: releasedSeq(this.state),
    };
    applyRecord(this.state, record);
    try {
      await this.#log.append([record]);
    } catch (error) {
      this.#fail(error);
      this.#arrival({ shard: this.name, seq: record.seq, index: 0 })?.reject(error);
      return;
    }
    this.#durable = record.seq;
    this.#recorded?.(fact);
    if (this.#publishing) this.#releaseOf(record);
  }

  settled(): Promise<void> {
    return this.#log.settled();
  }

  /** Calls back with each fact once it is durable. */
  onRecorded(listener: (fact: Fact) => void): void {
    this.#recorded = listener;
  }

  /** Topics are open: publishes what waits, and from now on at once. What is not durable yet follows when it is. */
  publish(): void {
    this.#publishing = true;
    for (const entry of this.state.outbox.values()) if (entry.id.seq <= this.#durable) this.#release(entry);
  }

  #releaseOf(record: KernelRecord): void {
    for (const entry of this.state.outbox.of(record.seq)) this.#release(entry);
  }

  #release(entry: OutboxEntry): void {
    const { effect } = entry;
    const topic = effect.do === "publish" ? this.#board.topics.get(effect.topic) : undefined;
    if (effect.do !== "publish" || topic === undefined) {
      this.#counters.add("kernel.noTopic");
      this.state.outbox.confirm(entry.id);
      return;
    }
    if (eventProblem(topic, effect.event) !== undefined) {
      this.#counters.add("kernel.eventInvalid");
      this.state.outbox.confirm(entry.id);
      return;
    }
    this.#route(
      entry,
      () => {
        this.state.outbox.confirm(entry.id);
        this.#arrival(entry.id)?.resolve();
      },
      (problem) => this.#arrival(entry.id)?.reject(problem),
    );
  }

  /** Whoever waits for it hears once. */
  #arrival(id: EffectId): PromiseWithResolvers<void> | undefined {
    const name = formatEffectId(id);
    const arrival = this.#arrivals.get(name);
    this.#arrivals.delete(name);
    return arrival;
  }

  #isWithinRate(at: number): boolean {
    const minute = Math.floor(at / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#diagnostics = 0;
    }
    if (++this.#diagnostics <= MAX_DIAGNOSTICS_PER_MINUTE) return true;
    this.#counters.add("diagnostics.shed");
    return false;
  }
}

/** A diagnostic about an error. */
export function diagnostic(
  about: string,
  capsule: string,
  error: VnesError,
): Fact & { readonly type: "diagnostic" } {
  return { type: "diagnostic", about, code: error.code, capsule, message: error.message };
}

function publications(fact: Fact, at: number): Effect[] {
  switch (fact.type) {
    case "lifecycle": {
      const { capsule, version, image, from, to, reason } = fact;
      const event = { capsule, version, image, from, to, reason, at };
      return [{ do: "publish", topic: LIFECYCLE_TOPIC, key: capsule, event }];
    }
    case "diagnostic": {
      const { about, code, capsule, message } = fact;
      const event = { kind: about, code, capsule, message: message.slice(0, 2_000), at };
      return [{ do: "publish", topic: DIAGNOSTICS_TOPIC, key: capsule, event }];
    }
    case "booted":
    case "denied":
    case "topicDefined":
    case "provider":
    case "flowDecided":
    case "published":
    case "diverged":
    case "heads":
      return [];
  }
}
