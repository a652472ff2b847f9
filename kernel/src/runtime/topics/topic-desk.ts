/** Answers what a person asks about topics: from the partitions, the feeds of the shards, and the ledger. */
import type { Json } from "@vnes/schemas";
import { KERNEL_TOPICS } from "../../bus/kernel-topics.ts";
import { topicShard } from "../../bus/routing.ts";
import { isDurable, partitionOf, partitionShards, publishProblem, type Topic } from "../../bus/topics.ts";
import { topicErrors } from "../../bus/topic-errors.ts";
import { decodeRecord, type EventRecord } from "../../ledger/record.ts";
import { formatEffectId } from "../../ledger/effect-id.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { EphemeralQueue } from "../shard/ephemeral-queue.ts";
import { keptRecords } from "../ledger/kept-records.ts";
import { firstAtOrAfter } from "./event-age.ts";
import type { NodeContext } from "../node/node-context.ts";
import type { Partition } from "./partition.ts";
import type {
  EventPage,
  EventPlace,
  KeptEvent,
  SubscriberCounts,
  SubscriberPlace,
  TopicControl,
  TopicSummary,
  TopicView,
} from "./topic-control.ts";
import type { TopicFeed } from "./topic-feed.ts";

/** JSON of the events of one page: many of them go through one control socket. */
const MAX_PAGE_CHARS = 1_048_576;

export class TopicDesk implements TopicControl {
  readonly #context: NodeContext;

  constructor(context: NodeContext) {
    this.#context = context;
  }

  async list(): Promise<readonly TopicSummary[]> {
    const topics = [...this.#context.board.topics.values()];
    const summaries = await Promise.all(topics.map((topic) => this.#summary(topic)));
    return summaries.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  async show(name: string): Promise<TopicView> {
    const topic = this.#topic(name);
    const { ledger } = this.#context.parts;
    const partitions = this.#partitions(topic);
    return {
      ...(await this.#summary(topic)),
      definition: topic.definition,
      lastSeqs: partitions.map(({ lastSeq }) => lastSeq),
      firstSeqs: await Promise.all(partitions.map(({ shard }) => ledger.firstSeq(shard))),
      places: this.#places(topic),
    };
  }

  async read(options: Parameters<TopicControl["read"]>[0]): Promise<EventPage> {
    const partition = this.#partition(this.#kept(options.topic), options.partition);
    const { ledger } = this.#context.parts;
    const from = await this.#seqOf(partition, options.from);
    if (from > partition.lastSeq && options.waitMs > 0) await this.#newEvent(partition, options.waitMs);
    const stored = await ledger.read(partition.shard, from, options.limit);
    const events: KeptEvent[] = [];
    let chars = 0;
    let next = from;
    for (const { seq, bytes } of stored) {
      if (seq > partition.lastSeq || (events.length > 0 && chars + bytes.length > MAX_PAGE_CHARS)) break;
      chars += bytes.length;
      const record = decodeRecord(partition.shard, seq, bytes);
      next = seq + 1;
      if (record.kind === "event") events.push(keptEvent(partition.index, record));
    }
    return { events, next, last: partition.lastSeq };
  }

  async publish(
    name: string,
    key: string,
    event: Json,
  ): Promise<{ readonly partition: number; readonly source: string | null }> {
    const { router, kernel, board } = this.#context;
    const topic = this.#topic(name);
    if (KERNEL_TOPICS.has(name)) throw topicErrors.create("TOPIC_OF_KERNEL", { topic: name });
    const problem = publishProblem(topic, key, event);
    if (problem !== undefined) {
      const details = { topic: name, pointer: problem.pointer || "/", problem: problem.message };
      throw topicErrors.create("TOPIC_EVENT_INVALID", details);
    }
    const partition = partitionOf(topic, key, event);
    if (!isDurable(topic)) {
      router.publishFromControl(name, key, event);
      return { partition, source: null };
    }
    if (board.flow.isHeld(name)) {
      throw topicErrors.create("TOPIC_HELD", { topic: name, lagging: board.flow.lagging(name).join(", ") });
    }
    const broken = board.partitions.get(topicShard(name, partition))?.problem;
    if (broken !== undefined) throw broken;
    this.#context.watch.assertTaking();
    return { partition, source: formatEffectId(await kernel.publishEvent(name, key, event)) };
  }

  async replay(options: Parameters<TopicControl["replay"]>[0]): ReturnType<TopicControl["replay"]> {
    const { topic: name, capsule, from, partition } = options;
    const topic = this.#kept(name);
    if (partition !== undefined) this.#partition(topic, partition);
    const places = this.#shards(capsule).flatMap((shard) =>
      shard.inbox.feeds
        .filter(
          ({ parts }) =>
            parts.topic.definition.topic === name &&
            (partition ?? parts.partition.index) === parts.partition.index,
        )
        .map((feed) => ({ shard, feed })),
    );
    if (places.length === 0) throw topicErrors.create("TOPIC_NOT_SUBSCRIBED", { capsule, topic: name });
    this.#context.watch.assertTaking();
    const done: { shard: string; partition: number; from: number; events: number }[] = [];
    // All are judged before the first is moved: one that is refused leaves every place as it was.
    const moves: { shard: CapsuleShard; feed: TopicFeed; next: number }[] = [];
    for (const { shard, feed } of places) {
      const { partition: read } = feed.parts;
      const next = await this.#seqOf(read, from);
      refuseAhead(name, shard, feed, next);
      moves.push({ shard, feed, next });
    }
    for (const { shard, feed, next } of moves) {
      const { partition: read } = feed.parts;
      await shard.replayFrom(feed, next);
      done.push({ shard: shard.name, partition: read.index, from: next, events: read.lastSeq - next + 1 });
    }
    return done;
  }

  async #summary(topic: Topic): Promise<TopicSummary> {
    const { topic: name, owner, quality, flow, partition } = topic.definition;
    const { board, parts } = this.#context;
    const kept = isDurable(topic) ? this.#partitions(topic) : undefined;
    const places = this.#places(topic);
    return {
      topic: name,
      version: Number(/\d+$/.exec(name)?.[0] ?? 0),
      owner,
      quality,
      policy: flow.policy,
      partitions: partition.count,
      events: kept?.reduce((sum, { lastSeq }) => sum + lastSeq, 0) ?? null,
      kept: kept === undefined ? null : await keptRecords(parts.ledger, kept),
      held: board.flow.isHeld(name),
      subscribers: topic.subscribers.map((capsule) => ({
        capsule,
        ...total(places.filter((place) => place.capsule === capsule)),
      })),
    };
  }

  #places(topic: Topic): readonly SubscriberPlace[] {
    const { topic: name } = topic.definition;
    return topic.subscribers.flatMap((capsule) =>
      this.#shards(capsule).flatMap((shard) => {
        const queue = shard.inbox.queues.get(name);
        const feeds = shard.inbox.feeds.filter(({ parts }) => parts.topic.definition.topic === name);
        return [
          ...feeds.map((feed) => feedPlace(capsule, shard, feed)),
          ...(queue === undefined ? [] : [queuePlace(capsule, shard, queue)]),
        ];
      }),
    );
  }

  #shards(capsule: string): readonly CapsuleShard[] {
    const { board } = this.#context;
    return [...board.shards.values()].filter(({ name }) => name.slice(0, name.lastIndexOf("/")) === capsule);
  }

  #topic(name: string): Topic {
    const topic = this.#context.board.topics.get(name);
    if (topic === undefined) throw topicErrors.create("TOPIC_UNKNOWN", { topic: name });
    return topic;
  }

  #kept(name: string): Topic {
    const topic = this.#topic(name);
    if (!isDurable(topic)) throw topicErrors.create("TOPIC_NOT_KEPT", { topic: name });
    return topic;
  }

  #partitions(topic: Topic): readonly Partition[] {
    return partitionShards(topic).flatMap((shard) => this.#context.board.partitions.get(shard) ?? []);
  }

  #partition(topic: Topic, index: number): Partition {
    const { topic: name, partition: its } = topic.definition;
    const shard = topicShard(name, index);
    const partition = this.#context.board.partitions.get(shard);
    if (partition !== undefined) return partition;
    const node = index < its.count ? this.#context.remote?.otherOwner(shard) : undefined;
    if (node !== undefined)
      throw topicErrors.create("TOPIC_PARTITION_ELSEWHERE", { topic: name, partition: index, node });
    throw topicErrors.create("TOPIC_PARTITION_UNKNOWN", { topic: name, count: its.count, partition: index });
  }

  #seqOf(partition: Pick<Partition, "shard" | "lastSeq">, place: EventPlace): Promise<number> {
    if ("seq" in place) return Promise.resolve(place.seq);
    return firstAtOrAfter(this.#context.parts.ledger, partition.shard, partition.lastSeq, place.time);
  }

  #newEvent(partition: Partition, waitMs: number): Promise<void> {
    const { clock } = this.#context.parts;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        forget();
        resolve();
      };
      const cancel = clock.wakeAt(clock.now() + waitMs, done);
      const forget = partition.onEvents(done);
    });
  }
}

function keptEvent(partition: number, { seq, at, key, event, source }: EventRecord): KeptEvent {
  return { partition, seq, at, key, event, source: formatEffectId(source) };
}

/** A replay delivers again; a place ahead of what the subscriber has had would leave events out, uncounted. */
function refuseAhead(topic: string, shard: CapsuleShard, feed: TopicFeed, next: number): void {
  const { partition } = feed.parts;
  const position = feed.consumed(shard.state.positions.get(partition.shard) ?? 0);
  if (next <= position + 1) return;
  const details = { topic, shard: shard.name, partition: partition.index, position, from: next };
  throw topicErrors.create("TOPIC_REPLAY_AHEAD", details);
}

function feedPlace(capsule: string, shard: CapsuleShard, feed: TopicFeed): SubscriberPlace {
  const { partition, subscription } = feed.parts;
  return {
    capsule,
    shard: shard.name,
    partition: partition.index,
    position: shard.state.positions.get(partition.shard) ?? 0,
    buffer: feed.rule.buffer,
    policy: feed.rule.policy,
    decidedBy: feed.decidedBy,
    ratePerS: subscription.ratePerS ?? null,
    batch: subscription.batch ?? null,
    lag: feed.lag + shard.inbox.givenBack(feed),
    ...feed.stats,
    unrecorded: feed.unrecorded,
  };
}

function queuePlace(capsule: string, shard: CapsuleShard, queue: EphemeralQueue): SubscriberPlace {
  const { subscription, rule } = queue.parts;
  return {
    capsule,
    shard: shard.name,
    partition: null,
    position: null,
    buffer: rule.buffer,
    policy: rule.policy,
    decidedBy: null,
    ratePerS: subscription.ratePerS ?? null,
    batch: subscription.batch ?? null,
    lag: queue.waiting,
    ...queue.stats,
    unrecorded: 0,
    retried: 0,
    deadLetters: 0,
  };
}

function total(places: readonly SubscriberCounts[]): SubscriberCounts {
  const sum = (of: (counts: SubscriberCounts) => number): number =>
    places.reduce((all, counts) => all + of(counts), 0);
  return {
    lag: sum(({ lag }) => lag),
    delivered: sum(({ delivered }) => delivered),
    shed: sum(({ shed }) => shed),
    merged: sum(({ merged }) => merged),
    unrecorded: sum(({ unrecorded }) => unrecorded),
    retried: sum(({ retried }) => retried),
    deadLetters: sum(({ deadLetters }) => deadLetters),
  };
}
