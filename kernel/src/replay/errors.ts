/** Why a shard could not be run again. That it came out otherwise is no error of the replay: it is its answer. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export const replayErrors: ErrorTable<
  | "REPLAY_RANGE_EMPTY"
  | "REPLAY_INPUT_MISSING"
  | "REPLAY_NO_ACTIVATION"
  | "REPLAY_IMAGE_MISSING"
  | "REPLAY_TURN_STOPPED"
  | "REPLAY_TURN_KILLED_HOST"
  | "REPLAY_NOT_LOGIC"
  | "REPLAY_TOO_MANY"
  | "REPLAY_RECEIPT_PLAIN"
> = defineErrors({
  REPLAY_RANGE_EMPTY: {
    message: "shard {shard} has the records {oldest} to {last}; there is nothing from {from} to {to}",
    fault: "user",
    retry: false,
    remedy: "name a range the shard has, or leave --from and --to out",
    exit: "notFound",
  },
  REPLAY_INPUT_MISSING: {
    message: "the input of record {seq} of shard {shard} is {of}: {problem}",
    fault: "system",
    retry: false,
    remedy: "the ledger is damaged: stop the node and look with vnes ledger verify",
    exit: "integrity",
  },
  REPLAY_NO_ACTIVATION: {
    message: "shard {shard} has a turn before any record that says which image ran",
    fault: "system",
    retry: false,
    remedy: "name the image to run: vnes replay {capsule} --against DIR",
    exit: "integrity",
  },
  REPLAY_IMAGE_MISSING: {
    message: "image {image}, which shard {shard} ran, is kept neither by the node nor in its registry",
    fault: "user",
    retry: false,
    remedy:
      "it ran before images were kept, or was removed by hand: install that version again, or name one to run with --against DIR",
    exit: "notFound",
  },
  REPLAY_TURN_STOPPED: {
    message: "record {seq} of shard {shard} could not be run to its end: {code}: {problem}",
    fault: "system",
    retry: true,
    remedy: "it says nothing about the capsule: try again when the machine is less busy",
    exit: "failed",
  },
  REPLAY_TURN_KILLED_HOST: {
    message:
      "record {seq} of shard {shard} kills its sandbox host when it is run again, and did not when it was recorded: {problem}",
    fault: "capsule",
    retry: false,
    remedy:
      "its code does what its language leaves open, or what the machine decides: look at what the turn was given, and mend the capsule",
    exit: "failed",
  },
  REPLAY_NOT_LOGIC: {
    message: "{capsule} is a driver: it touches the world and cannot be run again",
    fault: "user",
    retry: false,
    remedy: "what a driver reported is in the records of the capsules it reported to: replay those",
    exit: "usage",
  },
  REPLAY_TOO_MANY: {
    message: "{limit} replays run on this node already",
    fault: "system",
    retry: true,
    remedy: "wait for one of them to end and try again",
    exit: "conflict",
  },
  REPLAY_RECEIPT_PLAIN: {
    message:
      "the receipt of {capsule} holds neither its images nor the state it begins with: it can be checked, not run",
    fault: "user",
    retry: false,
    remedy: "export it on its node with: vnes receipt export {capsule} --replayable --out FILE",
    elsewhere: true,
    exit: "usage",
  },
});
