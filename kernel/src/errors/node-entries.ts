/** Of a node as a whole: its ledger, its clock, its cluster, its capsules together. */
import type { ErrorEntry } from "@vnes/schemas";

export type NodeCode =
  | "CLOCK_JUMPED"
  | "CLOCK_BEHIND_LEDGER"
  | "LEDGER_RECORD_INVALID"
  | "LEDGER_HASH_WRONG"
  | "SNAPSHOT_CHUNK_DAMAGED"
  | "STATE_COMPACTED"
  | "LEDGER_REFERENCE_WRONG"
  | "NODE_CAPSULE_NOT_FOUND"
  | "NODE_REQUIRED_CAPSULE_MISSING"
  | "NODE_STOPPING"
  | "CLUSTER_TABLE_INVALID"
  | "CLUSTER_PEER_DIFFERS"
  | "CLUSTER_PEER_SILENT"
  | "FLOW_EVENTS_TAKEN_OUT"
  | "FLOW_DECISION_UNUSABLE";

export const nodeEntries: Readonly<Record<NodeCode, ErrorEntry>> = {
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
    remedy:
      "if the clock of this machine is wrong, set it (timedatectl) and boot again; if it was wrong before and is right now, nothing is to be done: it catches up by itself",
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
    elsewhere: true,
    exit: "failed",
  },
  FLOW_EVENTS_TAKEN_OUT: {
    message: "{capsule} lags on {topic}: {shed} events were shed and {merged} merged into later ones",
    fault: "capsule",
    retry: false,
    remedy:
      "vnes topic show {topic}; make {capsule} faster, give it more shards, or change flow in its definition",
    exit: "failed",
  },
  FLOW_DECISION_UNUSABLE: {
    message: "what {by} decides for {capsule}, which lags on {topic}, cannot be used: {problem}",
    fault: "capsule",
    retry: true,
    remedy:
      "vnes topic show {topic} names what counts meanwhile; mend method decide of {by}, install it and boot again",
    exit: "failed",
  },
};
