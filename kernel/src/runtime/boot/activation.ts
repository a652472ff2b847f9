/** How the capsules of a node come up and go down: sandboxes open side by side, a start turn runs after those of what the capsule needs. */
import { isVnesError, neededRequirements } from "@vnes/schemas";
import { capsuleOf } from "../../bus/routing.ts";
import { kernelErrors } from "../../errors.ts";
import { isNodeShard } from "../../placement/shard-names.ts";
import { reasonsFrom } from "./admit.ts";
import { openCapsuleShard, openDeviceRunner, type OpenShard } from "./capsule-opening.ts";
import type { Capsule } from "../node/capsule-table.ts";
import { diagnostic } from "../node/kernel-shard.ts";
import { errorText, loadedShards, type NodeContext, shardsOf } from "../node/node-context.ts";
import { recoverEffects } from "./recovered-effects.ts";
import type { RecordedProviders } from "./recorded-providers.ts";
import type { RecoveredShard } from "./recovery.ts";
import { serveOthers } from "../node/serve-others.ts";
import { nameOf } from "./wiring.ts";

type GiveUp = (capsule: Capsule, error: unknown) => void;

/**
 * Loads everything, releases again what a crash left in doubt, then starts everything. In this order (C6): a new effect
 * that overtook an old one of the same sender would raise the receiver's watermark over it.
 */
export async function activateAll(
  context: NodeContext,
  open: OpenShard,
  recovered: ReadonlyMap<string, RecoveredShard>,
  providers: RecordedProviders,
  giveUp: GiveUp,
): Promise<void> {
  const { order, table, parts } = context;
  const capsules = order.map((id) => table.get(id));
  const loaded = new Map<string, Promise<void>>();
  for (const capsule of capsules) {
    const loading = load(context, capsule, open, giveUp);
    loading.catch(() => undefined);
    loaded.set(capsule.id, loading);
  }
  const unanswered = recoverEffects(context, recovered, providers);
  // Not before: what another node sends may be for any shard, and an answer for nobody would be late.
  if (context.remote !== undefined) serveOthers(context, context.remote);
  const active = new Map<string, Promise<void>>();
  for (const capsule of capsules) {
    capsule.activation = activate(context, capsule, loaded, active);
    active.set(capsule.id, capsule.activation);
  }
  await Promise.all(active.values());
  // One whose deadline has passed meanwhile has ended by it.
  for (const { deadlineAt, deal } of unanswered) if (parts.clock.now() < deadlineAt) deal();
}

/** After those it is bound to (B2), which are before it in the order; beside all others, so that their records share commits. */
async function activate(
  context: NodeContext,
  capsule: Capsule,
  loaded: ReadonlyMap<string, Promise<void>>,
  active: ReadonlyMap<string, Promise<void>>,
): Promise<void> {
  const { board, table } = context;
  try {
    for (const requirement of capsule.manifest.capabilities.requires ?? []) {
      const name = nameOf(requirement);
      if (board.outOfReach.get(capsule.id)?.has(name) === true) continue;
      const provider = board.capabilities.get(name)?.provider;
      if (provider !== undefined && provider !== capsule.id) await active.get(provider);
    }
    assertProviders(context, capsule);
    await loaded.get(capsule.id);
    await table.move(capsule, { type: "opened" });
    await start(context, capsule);
    await table.move(capsule, { type: "started" });
  } catch (error) {
    await failToStart(context, capsule, error);
  }
}

/** Gives sandboxes and devices back; what waits keeps waiting. */
export async function haltCapsule(context: NodeContext, capsule: Capsule): Promise<void> {
  await context.board.devices.get(capsule.id)?.stop();
  for (const shard of loadedShards(context, capsule)) await shard.unload();
}

/** The same, and nobody finds the capsule any more. */
export async function closeCapsule(context: NodeContext, capsule: Capsule): Promise<void> {
  await haltCapsule(context, capsule);
  const { board, budgets } = context;
  budgets.close(capsule.id);
  board.devices.delete(capsule.id);
  board.slots.delete(capsule.id);
  for (const name of shardsOf(context, capsule)) board.shards.delete(name);
}

async function load(context: NodeContext, capsule: Capsule, open: OpenShard, giveUp: GiveUp): Promise<void> {
  const { board } = context;
  if (capsule.manifest.type === "driver") {
    board.devices.set(capsule.id, openDeviceRunner(context, capsule));
    return;
  }
  const names = shardsOf(context, capsule);
  assertShards(context, capsule, names);
  const budget = context.budgets.open(capsule);
  const shards = names.flatMap((name, slot) => {
    if (context.remote?.isOwn(name) === false) return [];
    return openCapsuleShard(context, capsule, { name, slot, ...open(name) }, budget, (error) =>
      giveUp(capsule, error),
    );
  });
  board.slots.set(capsule.id, names);
  for (const shard of shards) board.shards.set(shard.name, shard);
  // The image is kept before a record names it.
  await Promise.all([context.parts.archive?.put(capsule.image), ...shards.map((shard) => shard.load())]);
}

async function start(context: NodeContext, capsule: Capsule): Promise<void> {
  const config = context.parts.config[capsule.id] ?? null;
  const device = context.board.devices.get(capsule.id);
  if (device !== undefined) {
    await device.start();
    return;
  }
  for (const shard of loadedShards(context, capsule)) await shard.start(config);
}

async function failToStart(context: NodeContext, capsule: Capsule, error: unknown): Promise<void> {
  const { table, kernel, parts, watch } = context;
  const { code, message } = errorText(error);
  if (!watch.isAbandoned) parts.log.error({ capsule: capsule.id, code }, message);
  if (isVnesError(error)) void kernel.record(diagnostic("capsule", capsule.id, error));
  await closeCapsule(context, capsule);
  await table.move(capsule, { type: "stopped", reason: code }, reasonsFrom(error));
}

function assertProviders({ board, table }: NodeContext, capsule: Capsule): void {
  for (const requirement of neededRequirements(capsule.manifest)) {
    const provider = board.capabilities.get(nameOf(requirement))?.provider;
    if (provider === undefined || provider === capsule.id || table.isActive(provider)) continue;
    const problem = table.get(provider).reason;
    throw kernelErrors.create("CAPSULE_DEPENDENT", { capsule: capsule.id, provider, problem });
  }
}

function assertShards({ known }: NodeContext, { id }: Capsule, names: readonly string[]): void {
  const [first = ""] = names;
  const recorded = [...known].filter((name) => capsuleOf(name) === id);
  const other = recorded.find((name) => isNodeShard(name) !== isNodeShard(first));
  if (other !== undefined)
    throw kernelErrors.create("CAPSULE_PLACEMENT_CHANGED", { capsule: id, shard: other, now: first });
  const numbers = isNodeShard(first) ? [] : recorded.map((name) => Number(name.slice(id.length + 1)));
  const before = Math.max(0, ...numbers.map((number) => number + 1));
  if (before > names.length)
    throw kernelErrors.create("CAPSULE_SHARDS_CHANGED", { capsule: id, before, now: names.length });
}
