/** Why a turn failed: what it did, asked for or wanted kept. */
import type { ErrorEntry } from "@vnes/schemas";

export type TurnCode =
  | "TURN_KILLED_HOST"
  | "TURN_KEYS_ENDLESS"
  | "TURN_KEYS_TOO_LARGE"
  | "TURN_TOPIC_UNKNOWN"
  | "TURN_TOPIC_NOT_DECLARED"
  | "TURN_EVENT_INVALID"
  | "TURN_KEY_NOT_OWNED"
  | "TURN_KEY_INVALID"
  | "TURN_VERSION_CONFLICT"
  | "TURN_TTL_INVALID"
  | "TURN_READ_INVALID"
  | "TURN_READ_NOT_DECLARED"
  | "TURN_CAPABILITY_NOT_REQUIRED"
  | "TURN_CALL_INVALID"
  | "TURN_ANSWER_INVALID"
  | "TURN_ANSWER_UNKNOWN_CALL"
  | "TURN_TIMER_INVALID"
  | "TURN_STATE_TOO_LARGE"
  | "TURN_EFFECTS_TOO_MANY";

export const turnEntries: Readonly<Record<TurnCode, ErrorEntry>> = {
  TURN_KILLED_HOST: {
    message: "the delivery killed its sandbox host twice, the second time alone: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule inspect, then mend the capsule: it allocates without end or crashes its runtime",
    exit: "failed",
  },
  TURN_KEYS_ENDLESS: {
    message: "the turn asked for keys {limit} times and was not done",
    fault: "capsule",
    retry: false,
    remedy: "read a range instead of one key after the other: turn.keys.entries(prefix)",
    exit: "failed",
  },
  TURN_KEYS_TOO_LARGE: {
    message: "the keys that the turn asked for come to more than {limit} characters of JSON {when}",
    fault: "capsule",
    retry: false,
    remedy:
      "keep and read less at once: a narrower prefix, fewer keys, one range instead of one key after the other",
    exit: "failed",
  },
  TURN_TOPIC_UNKNOWN: {
    message: "publish to {topic}: no capsule of this node defines that topic",
    fault: "capsule",
    retry: false,
    remedy: "define it in spec/topics/{topic}.json of its owner, or install the owner",
    exit: "failed",
  },
  TURN_TOPIC_NOT_DECLARED: {
    message: "publish to {topic}, which the manifest does not list in bus.publishes",
    fault: "capsule",
    retry: false,
    remedy: "add {topic} to bus.publishes in manifest.json and build again",
    exit: "policy",
  },
  TURN_EVENT_INVALID: {
    message: "the event for {topic} is refused at {pointer}: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "see the schemas in spec/topics/{topic}.json",
    exit: "failed",
  },
  TURN_KEY_NOT_OWNED: {
    message:
      "{capsule} may not write key {key}: it is under none of its prefixes in state.owns; its owner here is {owner}",
    fault: "capsule",
    retry: false,
    remedy:
      "call a capability of the owner, or, for a key of its own, add the prefix to state.owns in manifest.json and build again",
    exit: "policy",
  },
  TURN_KEY_INVALID: {
    message: "key of {length} characters; a key has 1 to {limit}, and no half of a surrogate pair",
    fault: "capsule",
    retry: false,
    remedy: "use shorter keys, and cut text between characters, not inside one",
    exit: "failed",
  },
  TURN_VERSION_CONFLICT: {
    message: "key {key} was to have version {expected} and has {found} (null: it does not exist)",
    fault: "user",
    retry: false,
    remedy: "read the key again and decide with the version it has now: vnes state get CAPSULE {key}",
    exit: "conflict",
  },
  TURN_TTL_INVALID: {
    message: "the ttlMs of key {key} is not a whole number of milliseconds from 1 to {limit}",
    fault: "capsule",
    retry: false,
    remedy: "leave ttlMs out for a key that does not expire",
    exit: "failed",
  },
  TURN_READ_INVALID: {
    message: "the read of keys of {capsule} is refused: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "see turn.read in docs/authoring.md",
    exit: "failed",
  },
  TURN_READ_NOT_DECLARED: {
    message: "{reader} may not read {what} of {capsule}: its manifest lists no such prefix in state.reads",
    fault: "capsule",
    retry: false,
    remedy: "add the capsule and the prefix to state.reads in manifest.json and build again",
    exit: "policy",
  },
  TURN_CAPABILITY_NOT_REQUIRED: {
    message: "call of {capability}, which the manifest does not list in capabilities.requires",
    fault: "capsule",
    retry: false,
    remedy: "add {capability} to capabilities.requires in manifest.json and build again",
    exit: "policy",
  },
  TURN_CALL_INVALID: {
    message: "the input for {capability}.{method} is refused at {pointer}: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "see $defs in spec/schema.json of the provider",
    exit: "failed",
  },
  TURN_ANSWER_INVALID: {
    message: "the answer of {capability}.{method} is refused by its own schema at {pointer}: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "see $defs in spec/schema.json",
    exit: "failed",
  },
  TURN_ANSWER_UNKNOWN_CALL: {
    message: "answer to call {callId}, which this shard was not asked or has answered",
    fault: "capsule",
    retry: false,
    remedy: "answer each call once: return a value from its handler, or later and one turn.answer",
    exit: "failed",
  },
  TURN_TIMER_INVALID: {
    message: "timer {id} is refused: {problem}",
    fault: "capsule",
    retry: false,
    remedy:
      "a timer has an id of 1 to 256 characters and a whole number of milliseconds; a shard has at most 1,048,576",
    exit: "failed",
  },
  TURN_STATE_TOO_LARGE: {
    message: "keys and timers of the shard would come to {size} bytes; at most {limit}",
    fault: "capsule",
    retry: false,
    remedy:
      "delete what is not needed, spread the keys over more shards (state.shards), or raise limits.*.state_mb in policy.json",
    exit: "failed",
  },
  TURN_EFFECTS_TOO_MANY: {
    message: "{count} effects in one turn; at most {limit}",
    fault: "capsule",
    retry: false,
    remedy: "spread the work over several turns with a timer",
    exit: "failed",
  },
};
