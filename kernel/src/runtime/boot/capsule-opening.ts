/** Puts one shard of a logic capsule, or the device of a driver capsule, together with everything it talks to. */
import { capsuleShard } from "../../bus/routing.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import { chosenProgram, rulesOf, specOf } from "./capsule-spec.ts";
import type { CapsuleBudget } from "../shard/capsule-budget.ts";
import { CapsuleShard } from "../shard/capsule-shard.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { DeviceRunner } from "../node/device-runner.ts";
import type { NodeContext } from "../node/node-context.ts";
import type { ShardLog } from "../ledger/shard-log.ts";
import { consumedOf, holdingTopics, subscribeShard } from "../topics/subscriptions.ts";

/** The state and the writing end of a shard, as recovery left them. */
export type OpenShard = (shard: string) => { readonly state: ShardState; readonly log: ShardLog };

/** `giveUp` is told when the shard cannot go on by itself. */
export function openCapsuleShard(
  context: NodeContext,
  capsule: Capsule,
  { name, slot, state, log }: ReturnType<OpenShard> & { readonly name: string; readonly slot: number },
  budget: CapsuleBudget,
  giveUp: (error: unknown) => void,
): CapsuleShard {
  const { parts, board, router, kernel, counters } = context;
  const { id, manifest, image, group, version } = capsule;
  const held = holdingTopics(board.topics.values(), capsule);
  const shard = new CapsuleShard({
    spec: { ...specOf(context, capsule, manifest, image), instance: name, group },
    version,
    sandbox: parts.sandbox,
    rules: rulesOf(context, capsule, manifest),
    state,
    log,
    clock: parts.clock,
    random: parts.random,
    counters,
    budget,
    lines: parts.log,
    release: (entry, confirm) => router.route(entry, confirm),
    isHeld: () => board.flow.isAnyHeld(held),
    deadLetter: ({ delivery, code, message, place }) => {
      // One rate for the log and the topic: what is over it is counted and neither.
      if (!kernel.report({ type: "diagnostic", about: "deadLetter", capsule: id, code, message })) return;
      const at = place === undefined ? {} : { at: place };
      parts.log.warn({ capsule: id, code, delivery: delivery.kind, ...at }, message);
    },
    hostDied: (reason) => {
      parts.log.warn(
        { capsule: id, group, reason },
        "the sandbox host died; its deliveries are repeated alone",
      );
      const fact = {
        type: "diagnostic",
        about: "hostDied",
        capsule: id,
        code: "SANDBOX_HOST_DIED",
      } as const;
      kernel.report({ ...fact, message: reason });
    },
    noHost: ({ code, message }) => {
      // One rate for the log and the topic, as above.
      if (!kernel.report({ type: "diagnostic", about: "hostDied", capsule: id, code, message })) return;
      parts.log.warn(
        { capsule: id, group, code, reason: message },
        "no sandbox host could be opened; it is tried again",
      );
    },
    giveUp,
  });
  subscribeShard(context, capsule, shard, { slot, giveUp });
  context.snapshots.addReader(name, {
    positions: state.positions,
    consumed: () => consumedOf(shard),
  });
  return shard;
}

export function openDeviceRunner(
  { parts, router, kernel, counters }: NodeContext,
  capsule: Capsule,
): DeviceRunner {
  const { id, manifest, image } = capsule;
  const declared = new Set(manifest.bus?.publishes ?? []);
  return new DeviceRunner({
    spec: {
      instance: capsuleShard(id, 0),
      image,
      entry: chosenProgram(manifest).entry,
      powers: manifest.security?.resources ?? [],
      config: parts.config[id] ?? null,
    },
    device: parts.device,
    clock: parts.clock,
    counters,
    lines: parts.log,
    publish: (topic, key, event) => router.publishFromDevice(declared, topic, key, event),
    died: (reason) => {
      parts.log.warn({ capsule: id, reason }, "the device host died and is restarted");
      kernel.report({
        type: "diagnostic",
        about: "deviceDied",
        capsule: id,
        code: "DEVICE_DIED",
        message: reason,
      });
    },
  });
}
