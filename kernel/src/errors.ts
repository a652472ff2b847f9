/** Every error the kernel itself can give. Those of a port's drivers stand beside the port. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const kernelErrors: ErrorTable<
  | "LEDGER_RECORD_INVALID"
  | "LEDGER_HASH_WRONG"
  | "SNAPSHOT_CHUNK_DAMAGED"
  | "STATE_COMPACTED"
  | "NODE_REQUIRED_CAPSULE_MISSING"
  | "NODE_CAPSULE_NOT_FOUND"
  | "NODE_STOPPING"
  | "CAPSULE_UNKNOWN"
  | "CAPSULE_START_FAILED"
  | "CAPSULE_ZONE_UNCONFINED"
  | "CAPSULE_INTERFACE_UNSUPPORTED"
  | "CAPSULE_DUPLICATE"
  | "CAPSULE_IMAGE_DENIED"
  | "CAPSULE_IMAGE_UNREADABLE"
  | "CAPSULE_DEPENDENT"
  | "CAPSULE_KEEPS_KILLING"
  | "CAPSULE_POISONED"
  | "CAPSULE_PLACEMENT_CHANGED"
  | "CAPSULE_SHARDS_CHANGED"
  | "CALL_CAPABILITY_UNAVAILABLE"
  | "CALL_PROVIDER_AMBIGUOUS"
  | "CALL_METHOD_UNKNOWN"
  | "CALL_INPUT_INVALID"
  | "CALL_OUTPUT_INVALID"
  | "CALL_TIMEOUT"
  | "CALL_DROPPED_ON_RECOVERY"
  | "CALL_INBOX_FULL"
  | "CALL_TOO_DEEP"
  | "CALL_NODE_UNREACHABLE"
  | "CLUSTER_TABLE_INVALID"
  | "CLUSTER_PEER_DIFFERS"
  | "CLUSTER_PEER_SILENT"
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
  | "TURN_EFFECTS_TOO_MANY"
  | "TURN_STATE_TOO_LARGE"
  | "CAPSULE_IN_USE"
  | "FLOW_EVENTS_TAKEN_OUT"
  | "CAPSULE_SUSPENDED"
  | "CAPSULE_SLOWED"
  | "CAPSULE_OVER_BUDGET"
  | "CAPSULE_DOWN"
  | "CLOCK_JUMPED"
  | "CLOCK_BEHIND_LEDGER"
  | "CAPSULE_DIVERGED"
  | "LEDGER_REFERENCE_WRONG"
> = defineErrors({
  CLOCK_JUMPED: {
    message: "the wall clock of this machine was set by {ms} ms; node time does not follow it",
    fault: "system",
    retry: false,
    remedy: "let one service keep the clock (timedatectl); node time takes the wall's again at the next boot",
    exit: "failed",
  },
  CLOCK_BEHIND_LEDGER: {
    message:
      "the wall clock is {ms} ms behind the newest record of the ledger; node time goes on from that record",
    fault: "system",
    retry: false,
    remedy: "set the clock of this machine (timedatectl) and boot again",
    exit: "failed",
  },
  LEDGER_RECORD_INVALID: {
    message: "record {seq} of shard {shard} cannot be read: {problem}",
    fault: "system",
    retry: false,
    remedy:
      "the data directory was written by another version of vnes, or changed: restore it, or run vnes doctor",
    exit: "integrity",
  },
  LEDGER_HASH_WRONG: {
    message: "record {seq} of shard {shard} does not carry the hash its bytes and its predecessor give",
    fault: "system",
    retry: false,
    remedy:
      "the ledger was changed behind the node's back: restore the data directory from a copy; vnes doctor",
    exit: "integrity",
  },
  SNAPSHOT_CHUNK_DAMAGED: {
    message:
      "the snapshot in record {seq} of shard {shard} cannot be used: chunk {chunk}: {problem}; no older one is kept whole",
    fault: "system",
    retry: false,
    remedy:
      "keep the ledger as it is, restore the data directory from a copy, and check the disk; vnes doctor",
    exit: "integrity",
  },
  STATE_COMPACTED: {
    message: "the state of shard {shard} at record {seq} is gone: what is kept begins at record {oldest}",
    fault: "user",
    retry: false,
    remedy:
      "ask for record {oldest} or later; raise retention.history_records and history_age_ms in policy.json to keep more from now on",
    exit: "notFound",
  },
  LEDGER_REFERENCE_WRONG: {
    message: "record {seq} of shard {shard} refers to record {of}: {problem}",
    fault: "system",
    retry: false,
    remedy:
      "one of the two shards was changed or is from another copy: restore the data directory as a whole from one copy",
    exit: "integrity",
  },
  NODE_CAPSULE_NOT_FOUND: {
    message: "the node refuses to boot: its configuration runs {missing}, which no registry or directory has",
    fault: "user",
    retry: false,
    remedy: "correct capsules.run in the configuration, or install what is missing: vnes capsule install DIR",
    exit: "notFound",
  },
  NODE_REQUIRED_CAPSULE_MISSING: {
    message: "the node refuses to boot: policy requires {missing}, which is not verified here. {reasons}",
    fault: "user",
    retry: false,
    remedy:
      "vnes capsule verify the capsule named, mend what it lists and install it again; vnes quarantine list",
    exit: "policy",
  },
  NODE_STOPPING: {
    message: "the node is stopping",
    fault: "system",
    retry: true,
    remedy: "boot it again: vnes boot",
    exit: "failed",
  },
  CAPSULE_UNKNOWN: {
    message: "this node knows no capsule {capsule}",
    fault: "user",
    retry: false,
    remedy: "vnes capsule list",
    exit: "notFound",
  },
  CAPSULE_START_FAILED: {
    message: "capsule {capsule} did not start: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule inspect {capsule}",
    exit: "failed",
  },
  CAPSULE_ZONE_UNCONFINED: {
    message: "capsule {capsule} belongs to zone {zone}, and this node cannot confine it: {missing}",
    fault: "system",
    retry: false,
    remedy:
      "vnes doctor says what to install; where nothing can be harmed, boot with --unconfined-dev to run it without its wall",
    exit: "policy",
  },
  CAPSULE_INTERFACE_UNSUPPORTED: {
    message: "capsule {capsule} has no interface this node can run; it offers {interfaces}",
    fault: "capsule",
    retry: false,
    remedy:
      "let interfaces in manifest.json name javascript, wasm, python or native, and build again: vnes capsule build <dir>",
    exit: "policy",
  },
  CAPSULE_DUPLICATE: {
    message:
      "{origin} holds another image of {capsule}, which was already found at {first}; the first one counts",
    fault: "user",
    retry: false,
    remedy: "remove one of the two, or install the one you mean: vnes capsule install",
    exit: "conflict",
  },
  CAPSULE_IMAGE_DENIED: {
    message: "image {image} of {capsule} was denied on this node: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "install a mended version: vnes capsule install",
    exit: "policy",
  },
  CAPSULE_IMAGE_UNREADABLE: {
    message: "{origin} could not be read: {problem}",
    fault: "system",
    retry: true,
    remedy: "look at the file named, then boot again",
    exit: "failed",
  },
  CAPSULE_DEPENDENT: {
    message: "capsule {capsule} needs {provider}, which is not active: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule inspect {provider}",
    exit: "failed",
  },
  CAPSULE_KEEPS_KILLING: {
    message: "capsule {capsule} killed the sandbox host of {shard} {kills} times within {windowMs} ms",
    fault: "capsule",
    retry: false,
    remedy:
      "vnes capsule inspect {capsule}; mend it and install the new version, or vnes capsule resume {capsule}",
    exit: "failed",
  },
  CAPSULE_POISONED: {
    message:
      "{kills} deliveries of kept events killed the sandbox host of {shard} within {windowMs} ms: capsule {capsule} rests for {restMs} ms",
    fault: "capsule",
    retry: true,
    remedy:
      "vnes topic tail vnes.deadletter.v1 names the events; it goes on behind them by itself, or at once with vnes capsule resume {capsule}",
    exit: "failed",
  },
  CAPSULE_PLACEMENT_CHANGED: {
    message: "capsule {capsule} has records in shard {shard} and would go on without them in {now}",
    fault: "capsule",
    retry: false,
    remedy:
      "set state.placement in manifest.json back, or give the node a bus.namespace or a directory of its own: what the shard holds is not moved",
    exit: "policy",
  },
  CAPSULE_SHARDS_CHANGED: {
    message:
      "capsule {capsule} now declares {now} shards, its ledger has {before}; the number is fixed for its life",
    fault: "capsule",
    retry: false,
    remedy: "set state.shards in manifest.json back to {before} and build again",
    exit: "policy",
  },
  CALL_CAPABILITY_UNAVAILABLE: {
    message: "nothing active on this node provides {capability}",
    fault: "system",
    retry: true,
    remedy: "vnes capsule list",
    exit: "notFound",
  },
  CALL_PROVIDER_AMBIGUOUS: {
    message: "more than one capsule on this node provides {capability}: {providers}",
    fault: "user",
    retry: false,
    remedy: "vnes capsule unload one of them; for good: name those to run under capsules.run in config.json",
    exit: "conflict",
  },
  CALL_METHOD_UNKNOWN: {
    message: "{capability} has no method {method}",
    fault: "user",
    retry: false,
    remedy: "see spec/schema.json of the capsule that provides {capability}: vnes capsule list",
    exit: "usage",
  },
  CALL_INPUT_INVALID: {
    message: "the input of {capability}.{method} is refused at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy: "see $defs in spec/schema.json of the capsule that provides {capability}",
    exit: "usage",
  },
  CALL_OUTPUT_INVALID: {
    message: "{capability}.{method} answered with something its own schema refuses at {pointer}: {problem}",
    fault: "capsule",
    retry: false,
    remedy: "mend the capsule that provides {capability}",
    exit: "failed",
  },
  CALL_TIMEOUT: {
    message: "{capability}.{method} did not answer within {timeoutMs} ms; whether it ran is not known",
    fault: "system",
    retry: true,
    remedy: "vnes status",
    exit: "timeout",
  },
  CALL_DROPPED_ON_RECOVERY: {
    message: "the node restarted before {capability}.{method} answered, and its effect is not one to repeat",
    fault: "system",
    retry: true,
    remedy: "ask again",
    exit: "failed",
  },
  CALL_INBOX_FULL: {
    message: "{capsule} has {waiting} deliveries waiting, or calls of 64 MiB, and takes no more calls",
    fault: "system",
    retry: true,
    remedy: "ask again later; vnes capsule inspect {capsule}",
    exit: "failed",
  },
  CALL_TOO_DEEP: {
    message: "this call would be the {depth}th in a chain of calls; at most {limit} are allowed",
    fault: "capsule",
    retry: false,
    remedy: "look for capsules that call each other in a circle: vnes capsule inspect",
    exit: "failed",
  },
  CALL_NODE_UNREACHABLE: {
    message: "{waiting} effects wait for node {peer} already; the call was refused",
    fault: "system",
    retry: true,
    remedy:
      "look whether {peer} runs and whether the message server is reachable from both: vnes status there",
    exit: "failed",
  },
  CLUSTER_TABLE_INVALID: {
    message: "the table of nodes and their ledger groups cannot be used: {problem}",
    fault: "user",
    retry: false,
    remedy: "correct cluster.owners in the configuration, the same on every node",
    exit: "usage",
  },
  CLUSTER_PEER_DIFFERS: {
    message:
      "node {peer} runs other capsules or another table of nodes; neither takes anything from the other",
    fault: "user",
    retry: true,
    remedy:
      "install the same capsules and the same cluster.owners on every node; then what waits goes on by itself",
    exit: "conflict",
  },
  CLUSTER_PEER_SILENT: {
    message: "node {peer} does not answer; {waiting} effects wait for it",
    fault: "system",
    retry: true,
    remedy: "look whether {peer} runs: vnes status there; what waits goes on by itself",
    exit: "failed",
  },
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
    remedy: "read the key again and decide with the version it has now: vnes state get",
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
  CAPSULE_DOWN: {
    message: "capsule {capsule} is {state}: {reason}",
    fault: "capsule",
    retry: false,
    remedy: "vnes capsule inspect {capsule}",
    exit: "failed",
  },
  CAPSULE_DIVERGED: {
    message:
      "capsule {capsule} is not deterministic: run again, record {seq} of {shard} comes out otherwise ({what})",
    fault: "capsule",
    retry: false,
    remedy:
      "vnes replay <capsule> shows the turn and both values; mend the capsule, or say a weaker determinism_tier, then vnes capsule resume <capsule>",
    exit: "integrity",
  },
  CAPSULE_SUSPENDED: {
    message: "capsule {capsule} is suspended and answers nobody",
    fault: "user",
    retry: true,
    remedy: "vnes capsule resume {capsule}",
    exit: "conflict",
  },
  CAPSULE_SLOWED: {
    message: "capsule {capsule} uses more than its budget of {by} and is slowed down to it",
    fault: "capsule",
    retry: true,
    remedy: "vnes capsule inspect {capsule} shows what it uses; the budget of its zone is in policy.json",
    exit: "failed",
  },
  CAPSULE_OVER_BUDGET: {
    message:
      "capsule {capsule} was slowed down for {ms} ms over its budget of {by} for zone {zone} and is suspended",
    fault: "capsule",
    retry: true,
    remedy: "vnes capsule resume {capsule}, with a larger budget in policy.json where it needs one",
    exit: "policy",
  },
  FLOW_EVENTS_TAKEN_OUT: {
    message: "{capsule} lags on {topic}: {shed} events were shed and {merged} merged into later ones",
    fault: "capsule",
    retry: false,
    remedy:
      "vnes topic show {topic}; make {capsule} faster, give it more shards, or change flow in its definition",
    exit: "failed",
  },
  CAPSULE_IN_USE: {
    message: "capsule {capsule} is needed by {by}",
    fault: "user",
    retry: false,
    remedy: "unload what needs it first, or suspend it instead: vnes capsule suspend {capsule}",
    exit: "conflict",
  },
  TURN_EFFECTS_TOO_MANY: {
    message: "{count} effects in one turn; at most {limit}",
    fault: "capsule",
    retry: false,
    remedy: "spread the work over several turns with a timer",
    exit: "failed",
  },
});
