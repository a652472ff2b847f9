/**
 * The capsules of a node and where each stands. Every change of state goes through the lifecycle table and becomes a
 * fact in the kernel's shard, so the table in memory and the record cannot disagree.
 */
import type { Manifest, TrustZone } from "@vnes/schemas";
import type { CapsuleImage } from "../../admission/image.ts";
import type { Reason } from "../../admission/verdict.ts";
import { type CapsuleState, type LifecycleEvent, step } from "../../lifecycle/lifecycle.ts";
import { kernelErrors } from "../../errors.ts";
import type { Fact } from "./kernel-shard.ts";

export interface Capsule {
  readonly id: string;
  readonly version: string;
  readonly manifest: Manifest;
  readonly image: CapsuleImage;
  readonly origin: string;
  readonly zone: TrustZone;
  readonly group: string;
  state: CapsuleState;
  /** Code of the reason of the last transition. */
  reason: string;
  /** Resolves once it is up, or did not come up; undefined before anybody began to start it. */
  activation?: Promise<void>;
  /** What led to the last transition, with what to do about it; absent where somebody wanted it. Not kept over a boot, which finds it anew. */
  problems?: readonly Reason[];
}

/** One that this boot put into quarantine. */
export interface RefusedCapsule {
  readonly id: string;
  /** As far as it is known. */
  readonly version: string | null;
  /** Of the first reason. */
  readonly code: string;
  /** Of the quarantine. */
  readonly entry: string;
}

export class CapsuleTable {
  readonly #capsules = new Map<string, Capsule>();
  readonly #refused = new Map<string, RefusedCapsule>();
  readonly #record: (fact: Fact) => Promise<void>;

  constructor(record: (fact: Fact) => Promise<void>) {
    this.#record = record;
  }

  add(capsule: Capsule): void {
    this.#capsules.set(capsule.id, capsule);
  }

  refuse(refused: RefusedCapsule): void {
    this.#refused.set(refused.id, refused);
  }

  /** What was refused and is not here as another image either. */
  refused(): readonly RefusedCapsule[] {
    return [...this.#refused.values()].filter(({ id }) => !this.#capsules.has(id));
  }

  all(): readonly Capsule[] {
    return [...this.#capsules.values()];
  }

  find(id: string): Capsule | undefined {
    return this.#capsules.get(id);
  }

  /** Throws `CAPSULE_QUARANTINED`, `CAPSULE_UNKNOWN`. */
  get(id: string): Capsule {
    const capsule = this.#capsules.get(id);
    if (capsule !== undefined) return capsule;
    const refused = this.#refused.get(id);
    throw refused === undefined
      ? kernelErrors.create("CAPSULE_UNKNOWN", { capsule: id })
      : kernelErrors.create("CAPSULE_QUARANTINED", { capsule: id, code: refused.code, entry: refused.entry });
  }

  /** Capsules in service, other than `except`, that own a prefix of the key; sorted. */
  ownersOf(key: string, except: string): readonly string[] {
    const isOwner = ({ id, state, manifest }: Capsule): boolean =>
      id !== except &&
      (state === "active" || state === "suspended") &&
      (manifest.state?.owns ?? []).some((prefix) => key.startsWith(prefix));
    return this.all()
      .filter(isOwner)
      .map(({ id }) => id)
      .sort();
  }

  isActive(id: string): boolean {
    return this.#capsules.get(id)?.state === "active";
  }

  /** Throws `LIFECYCLE_TRANSITION_ILLEGAL` where `move` would. */
  assertMovable({ state }: Capsule, event: LifecycleEvent): void {
    const next = step(state, event);
    if (next.kind === "refused") throw next.error;
  }

  /** Moves the capsule; resolves once the transition is durable. Throws `LIFECYCLE_TRANSITION_ILLEGAL`. */
  async move(capsule: Capsule, event: LifecycleEvent, problems: readonly Reason[] = []): Promise<void> {
    const from = capsule.state;
    const next = step(from, event);
    if (next.kind === "refused") throw next.error;
    capsule.state = next.state;
    capsule.reason = next.reason;
    capsule.problems = problems;
    const { id, version, image } = capsule;
    await this.#record({
      type: "lifecycle",
      capsule: id,
      version,
      image: image.hash,
      from,
      to: next.state,
      reason: next.reason,
    });
  }
}
