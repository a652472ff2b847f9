/** What a person can meet who asks about topics. What a capsule's turn can meet is in the kernel's own table. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

const user = { fault: "user", retry: false } as const;

export const topicErrors: ErrorTable<
  | "TOPIC_UNKNOWN"
  | "TOPIC_NOT_KEPT"
  | "TOPIC_PARTITION_UNKNOWN"
  | "TOPIC_PARTITION_ELSEWHERE"
  | "TOPIC_PARTITION_BROKEN"
  | "TOPIC_EVENT_INVALID"
  | "TOPIC_OF_KERNEL"
  | "TOPIC_HELD"
  | "TOPIC_NOT_SUBSCRIBED"
  | "TOPIC_REPLAY_AHEAD"
> = defineErrors({
  TOPIC_UNKNOWN: {
    ...user,
    message: "no capsule of this node defines {topic}",
    remedy: "vnes topic list",
    exit: "notFound",
  },
  TOPIC_NOT_KEPT: {
    ...user,
    message: "events of {topic} are not kept: its quality is at_most_once",
    remedy: "vnes topic show {topic}; a topic of quality at_least_once or exactly_once keeps its events",
    exit: "usage",
  },
  TOPIC_PARTITION_UNKNOWN: {
    ...user,
    message: "{topic} has {count} partitions, counted from 0; there is no {partition}",
    remedy: "vnes topic show {topic}",
    exit: "usage",
  },
  TOPIC_PARTITION_ELSEWHERE: {
    ...user,
    message: "partition {partition} of {topic} belongs to node {node}",
    remedy: "ask there: vnes topic show {topic}",
    elsewhere: true,
    exit: "notFound",
  },
  TOPIC_PARTITION_BROKEN: {
    fault: "system",
    retry: false,
    message: "a fault in the kernel: partition {partition} of {topic} takes no more events ({problem})",
    remedy:
      "what was published waits with its publishers: stop the node and boot it again: vnes boot; the node's log has the place of the fault, for a report",
    exit: "failed",
  },
  TOPIC_EVENT_INVALID: {
    ...user,
    message: "the event for {topic} is refused at {pointer}: {problem}",
    remedy: "vnes topic show {topic} has its schemas",
    exit: "usage",
  },
  TOPIC_OF_KERNEL: {
    ...user,
    message: "{topic} holds what the kernel itself reports; nobody else publishes to it",
    remedy: "publish to a topic of your own capsule; vnes topic tail {topic} shows what the kernel said",
    exit: "policy",
  },
  TOPIC_HELD: {
    fault: "system",
    retry: true,
    message: "{topic} takes no more events from here: {lagging} has too many waiting",
    remedy: "vnes topic show {topic}; publish again when its lag is below its buffer",
    exit: "conflict",
  },
  TOPIC_NOT_SUBSCRIBED: {
    ...user,
    message: "{capsule} does not run here with a subscription to {topic}",
    remedy: "vnes topic show {topic} names its subscribers",
    exit: "notFound",
  },
  TOPIC_REPLAY_AHEAD: {
    ...user,
    message:
      "{shard} is at {position} of partition {partition} of {topic}; a replay from {from} would leave out events it never had",
    remedy:
      "a replay only delivers again: name a seq up to the position (vnes topic show {topic}), and with several partitions one of them with --partition",
    exit: "usage",
  },
});
