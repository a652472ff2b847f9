/** One attack in one zone: the capsule gets a host of its own, does its worst again and again, and is looked at afterwards. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Confinement, Sandbox, SandboxInstance, SandboxSpec } from "@vnes/kernel";
import { isVnesError, type TrustZone } from "@vnes/schemas";
import { delayMs } from "../../kernel/src/runtime/shard/back-off.ts";
import { RESTART } from "../../kernel/src/runtime/shard/host-trials.ts";
import { type Attack, HOST } from "./attack.ts";
import type { Outside } from "./outside.ts";
import { call, endOf } from "./turns.ts";

/** Short, because most of these use all of it. */
const LIMITS = { memoryMb: 16, turnMs: 250, effectBytes: 65_536, cacheBytes: 1_000_000 };

/** It goes on for so long, so that a neighbour has something to be disturbed by; for longer while that one was hardly served. */
export const ATTACK_MS = 400;
const LONGEST_MS = 6_000;

export interface AttackPlace {
  readonly sandbox: Sandbox;
  readonly zone: TrustZone;
  /** Undefined: a process of its own and nothing more. */
  readonly confinement: Confinement | undefined;
  readonly outside: Outside;
  /** Default: once. */
  readonly forMs?: number;
  /** Whether whoever looks on has seen enough. */
  isEnough?(): boolean;
  /** Called when the first turn of it is about to be delivered, and when the last one has ended. */
  begins?(): void;
  ends?(): void;
}

export interface Outcome {
  /** How the first turn ended. */
  readonly end: string;
  /** Empty: it ended in a named way, nothing outside was touched, and its place can be used again. */
  readonly problems: readonly string[];
}

let count = 0;

export async function runAttack(attack: Attack, place: AttackPlace): Promise<Outcome> {
  const { sandbox, zone, confinement, outside } = place;
  const name = `hostile.n${++count}`;
  const { image, entry } = await attack.program(outside);
  const spec: SandboxSpec = {
    instance: `${name}/0`,
    image,
    language: attack.language,
    entry,
    zone,
    group: name,
    limits: LIMITS,
    ...(confinement === undefined ? {} : { confinement }),
  };
  const problems: string[] = [];
  const before = outside.touched().length;
  let instance: SandboxInstance;
  try {
    instance = await sandbox.open(spec);
  } catch (error) {
    if (!isVnesError(error) || !attack.ends.includes(error.code)) throw error;
    // It never ran, so nobody was disturbed.
    return { end: error.code, problems: [] };
  }
  place.begins?.();
  const startedAt = performance.now();
  const first = await endOf(instance, call("go"));
  let last = first;
  const isLongEnough = (): boolean => {
    const ms = performance.now() - startedAt;
    return ms >= LONGEST_MS || (ms >= (place.forMs ?? 0) && (place.isEnough?.() ?? true));
  };
  let deaths = 0;
  while (!isLongEnough()) {
    if (last.how === HOST) {
      // As a node does, which moreover suspends what has killed its host three times within a minute.
      await sleep(delayMs(RESTART, deaths++));
      instance = await sandbox.open(spec);
    }
    last = await endOf(instance, call("go"));
  }
  place.ends?.();
  const { how, answer } = first;
  if (!attack.ends.includes(how)) problems.push(`it ended in ${how}, not in ${attack.ends.join(" or ")}`);
  const got = how === "done" ? attack.gotHold?.(answer) : undefined;
  if (got !== undefined) problems.push(got);
  problems.push(...(await afterwards(attack, last.how, { sandbox, spec, instance })));
  problems.push(
    ...outside
      .touched()
      .slice(before)
      .map((what) => `it touched ${what}`),
  );
  return { end: how, problems };
}

/** The next turn of the same capsule: nothing it did may last, unless it spoiled what runs it. */
async function afterwards(
  { spoils, endsItsHost = false }: Attack,
  how: string,
  place: { readonly sandbox: Sandbox; readonly spec: SandboxSpec; readonly instance: SandboxInstance },
): Promise<readonly string[]> {
  let instance = how === HOST ? await place.sandbox.open(place.spec) : place.instance;
  let next = await endOf(instance, call("ok"));
  if (endsItsHost && next.how === HOST) {
    instance = await place.sandbox.open(place.spec);
    next = await endOf(instance, call("ok"));
  }
  await instance.dispose();
  if (!spoils && (how.startsWith("TURN_") || how === HOST))
    return next.how === "done" ? [] : [`the turn after it ended in ${next.how}`];
  return next.how === HOST ? ["the turn after it lost its host"] : [];
}
