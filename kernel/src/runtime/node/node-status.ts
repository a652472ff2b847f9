/** What a node says of itself and of its capsules when it is asked. Reads only. */
import { isVnesError, type Json } from "@vnes/schemas";
import { budgetOf } from "../../budget/budget-of.ts";
import { imageFile } from "../../admission/image.ts";
import type { Reason } from "../../admission/verdict.ts";
import { kernelErrors } from "../../errors.ts";
import { reasonFrom } from "../boot/admit.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";
import type { Capsule } from "./capsule-table.ts";
import { ledgerStatus } from "../ledger/ledger-status.ts";
import { confinementFor } from "../boot/confinement-for.ts";
import { limitsOf } from "../boot/limits.ts";
import type { CapsuleStatus, NodeStatus } from "./node.ts";
import { loadedShards, type NodeContext } from "./node-context.ts";
import { nameOf } from "../boot/wiring.ts";

/** Reasons of transitions that somebody wanted. */
const MEANT: ReadonlySet<string> = new Set(["ASKED", "SHUTDOWN"]);

export async function nodeStatus(
  context: NodeContext,
  {
    isStopping,
    bootedAt,
    broken,
  }: { readonly isStopping: boolean; readonly bootedAt: number; readonly broken: unknown },
): Promise<NodeStatus> {
  const { parts, table, counters } = context;
  const problems = problemsOf(context, broken);
  const running = problems.length === 0 ? "running" : "degraded";
  return {
    node: parts.node,
    pid: parts.pid,
    state: isStopping ? "stopping" : running,
    problems: distinct(problems),
    bootedAt,
    now: parts.clock.now(),
    bootMs: bootedAt - context.startedAt,
    capsules: table.all().map((capsule) => capsuleStatus(context, capsule)),
    quarantined: (await parts.quarantine.list()).length,
    refused: table.refused(),
    ledger: await ledgerStatus(context),
    ...(parts.bus === undefined ? {} : { bus: parts.bus() }),
    counters: { ...counters.all(), ...context.remote?.counts() },
  };
}

function problemsOf({ watch, table, board, remote }: NodeContext, broken: unknown): readonly Reason[] {
  const ofLedger = isVnesError(broken) ? [...watch.problems(), broken] : watch.problems();
  const ofTopics = [...board.partitions.values()].flatMap(({ problem }) => problem ?? []);
  return [...ofLedger, ...ofTopics, ...(remote?.problems() ?? [])].map(reasonFrom).concat(
    // What a person or the node's end stopped is no problem; what stopped by itself is.
    table.all().flatMap((capsule) => {
      const { state, reason } = capsule;
      if ((state !== "unloaded" && state !== "suspended") || MEANT.has(reason)) return [];
      return [downProblem(capsule)];
    }),
  );
}

/** With what led to it in its own words: who boots a node sees nothing else of why. */
function downProblem({ id, state, reason, problems = [] }: Capsule): Reason {
  const why = problems.find(({ code }) => code === reason);
  const said = why === undefined ? reason : `${reason}: ${why.message}`;
  const { code, message, remedy } = kernelErrors.create("CAPSULE_DOWN", { capsule: id, state, reason: said });
  // Where the reason has a remedy of its own, that is the one to type; one from before this boot has it without names.
  const entry = Object.entries(kernelErrors.entries).find(([known]) => known === reason)?.[1].remedy;
  const own = why?.remedy ?? (entry?.includes("{") === false ? entry : undefined);
  return { code, message, remedy: own ?? remedy, file: id };
}

export function capsuleStatus(context: NodeContext, capsule: Capsule): CapsuleStatus {
  const shards = loadedShards(context, capsule);
  const device = context.board.devices.get(capsule.id);
  const sum = (of: (shard: CapsuleShard) => number): number =>
    shards.reduce((total, shard) => total + of(shard), 0);
  const { id, version, zone, state, reason, origin, group, manifest, image } = capsule;
  return {
    id,
    version,
    type: manifest.type,
    zone,
    state,
    reason,
    imageHash: image.hash,
    origin,
    group,
    turns: device?.calls ?? sum((shard) => shard.turns),
    failedTurns: sum((shard) => shard.failedTurns),
    deadLetters: sum((shard) => shard.deadLetters),
    restarts: device?.restarts ?? sum((shard) => shard.restarts),
    shards: Object.fromEntries(shards.map((shard) => [shard.name, shard.state.seq])),
  };
}

/** `resumesAt`: when it goes on by itself, if it is suspended. */
export async function inspectCapsule(
  context: NodeContext,
  capsule: Capsule,
  resumesAt: number | null,
): Promise<Json> {
  const { parts, board } = context;
  const shards = loadedShards(context, capsule);
  await context.budgets.read(capsule.id);
  const receipt = imageFile(capsule.image, "receipt.stunir.json");
  const meters = await Promise.all(
    shards.map(async (shard) => [shard.name, (await shard.meters()) ?? null] as const),
  );
  const requires = (capsule.manifest.capabilities.requires ?? []).map((requirement) => {
    const name = nameOf(requirement);
    // A capsule that is not in service is bound to nobody.
    const isBound = isInService(capsule) && board.outOfReach.get(capsule.id)?.has(name) !== true;
    const provider = (isBound ? board.capabilities.get(name)?.provider : undefined) ?? null;
    return {
      requirement,
      provider,
      state: provider === null ? null : (context.table.find(provider)?.state ?? null),
    };
  });
  return JSON.parse(
    JSON.stringify({
      ...capsuleStatus(context, capsule),
      resumesAt: capsule.state === "suspended" ? resumesAt : null,
      problems: capsule.problems ?? [],
      manifest: capsule.manifest,
      receipt: receipt === undefined ? null : JSON.parse(new TextDecoder().decode(receipt.bytes)),
      files: capsule.image.files.map(({ path, sha256, bytes }) => ({ path, sha256, size: bytes.length })),
      requires,
      limits: limitsOf(capsule.manifest, capsule.zone, parts.policy),
      budget: budgetStatus(context, capsule),
      confinement: confinementFor(parts, capsule.manifest, capsule.zone),
      waiting: Object.fromEntries(shards.map((shard) => [shard.name, shard.inbox.backlog])),
      meters: Object.fromEntries(meters),
      device: (await board.devices.get(capsule.id)?.meters()) ?? null,
    }),
  ) as Json;
}

function isInService({ state }: Capsule): boolean {
  return state === "active" || state === "suspended";
}

/** `slowed`: since when it waits for what it may use again, while it runs. `over`: why it was suspended. */
function budgetStatus({ budgets, parts }: NodeContext, { id, zone, state }: Capsule): Json {
  const budget = budgets.find(id);
  if (budget === undefined) return null;
  return JSON.parse(
    JSON.stringify({
      used: budget.usage,
      allowed: budgetOf(zone, parts.policy) ?? null,
      slowed: (state === "active" ? budget.slowed : undefined) ?? null,
      over: state === "suspended" ? budgets.over(id) : null,
    }),
  ) as Json;
}

function distinct<T extends { readonly code: string; readonly file?: string }>(
  items: readonly T[],
): readonly T[] {
  return [...new Map(items.map((item) => [`${item.code} ${item.file ?? ""}`, item])).values()];
}
