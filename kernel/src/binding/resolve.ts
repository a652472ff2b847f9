/**
 * Who provides what to whom, and in which order capsules start. Pure: manifests and policy in, bindings out.
 *
 * B1. A capsule that is refused takes those that require it with it, and nobody else.
 * B2. The order is a topological one with the id as tie-break; shutdown is its reverse.
 * B3. A requirement is bound to exactly one provider; where two capsules provide its name it is refused, not chosen.
 * B4. An optional requirement that nothing here provides, whose provider is refused, or that the capsule may not reach, is left
 *     unbound and refuses nobody. One that it may reach and that does not fit is a refusal like any other.
 */
import {
  DEFAULT_DETERMINISM_TIER,
  DETERMINISM_TIERS,
  type DeterminismTier,
  isOptionalRequirement,
  type Manifest,
  type Policy,
} from "@vnes/schemas";
import { zoneOf } from "../admission/policy-check.ts";
import type { Reason } from "../admission/verdict.ts";
import { accessProblem } from "./access.ts";
import { cycles } from "./cycles.ts";
import { bindingReason } from "./errors.ts";
import { nameReasons } from "./names.ts";
import { parseRequirement, satisfies } from "./requirement.ts";
import type { TopicOffer } from "../admission/topic-files.ts";
import { tenantOf } from "./tenant.ts";
import { type RecordedTopics, topicReasons } from "./topic-binding.ts";

export interface Bindable {
  readonly id: string;
  readonly version: string;
  readonly manifest: Manifest;
  /** Topics the capsule's spec defines. */
  readonly topics: readonly TopicOffer[];
}

export interface Binding {
  readonly requirer: string;
  /** As the manifest says it. */
  readonly requirement: string;
  readonly provider: string;
}

export interface Bindings {
  /** Ids in the order of activation. */
  readonly order: readonly string[];
  readonly bindings: readonly Binding[];
  /** Optional requirements that are provided here, but not for this capsule: names of capabilities by requirer. */
  readonly outOfReach: ReadonlyMap<string, ReadonlySet<string>>;
  readonly refused: readonly { readonly id: string; readonly reasons: readonly Reason[] }[];
}

export function resolve(
  capsules: readonly Bindable[],
  policy: Policy,
  recorded: RecordedTopics = new Map(),
): Bindings {
  const refused = new Map<string, Reason[]>();
  const refuse = (id: string, reason: Reason): void => {
    refused.set(id, [...(refused.get(id) ?? []), reason]);
  };
  for (const [id, reasons] of nameReasons(capsules)) for (const reason of reasons) refuse(id, reason);
  // Who names what is not its own is no candidate for anybody.
  const sorted = capsules.filter(({ id }) => !refused.has(id)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const bindings: Binding[] = [];
  const outOfReach = new Map<string, Set<string>>();
  for (const capsule of sorted) {
    for (const [index, requirement] of (capsule.manifest.capabilities.requires ?? []).entries()) {
      const offered = isOptionalRequirement(capsule.manifest, requirement)
        ? reachOf(capsule, requirement, sorted, policy)
        : "reachable";
      if (offered === "forbidden")
        outOfReach.set(
          capsule.id,
          (outOfReach.get(capsule.id) ?? new Set()).add(parseRequirement(requirement).name),
        );
      if (offered !== "reachable") continue;
      const provider = bindOne(capsule, requirement, sorted, policy, `/capabilities/requires/${index}`);
      if (typeof provider === "string") bindings.push({ requirer: capsule.id, requirement, provider });
      else refuse(capsule.id, provider);
    }
  }
  const providersOf =
    (among: readonly Binding[]) =>
    (id: string): readonly string[] =>
      among.filter(({ requirer }) => requirer === id).map(({ provider }) => provider);
  for (const circle of cycles(
    sorted.map(({ id }) => id),
    providersOf(bindings),
  )) {
    for (const id of circle) {
      refuse(id, bindingReason("BINDING_CYCLE", { capsule: id, cycle: [...circle, circle[0]].join(" -> ") }));
    }
  }
  for (const [id, reasons] of topicReasons(sorted, policy, recorded))
    for (const reason of reasons) refuse(id, reason);
  const isOptional = ({ requirer, requirement }: Binding): boolean => {
    const manifest = sorted.find(({ id }) => id === requirer)?.manifest;
    return manifest !== undefined && isOptionalRequirement(manifest, requirement);
  };
  refuseDependents(
    bindings.filter((one) => !isOptional(one)),
    refused,
    refuse,
  );
  const kept = sorted.filter(({ id }) => !refused.has(id));
  const bound = bindings.filter(({ requirer, provider }) => !refused.has(requirer) && !refused.has(provider));
  return {
    order: activationOrder(
      kept.map(({ id }) => id),
      providersOf(bound),
    ),
    bindings: bound,
    outOfReach,
    refused: [...refused].map(([id, reasons]) => ({ id, reasons })),
  };
}

function reachOf(
  { manifest: user }: Bindable,
  requirement: string,
  all: readonly Bindable[],
  policy: Policy,
): "absent" | "forbidden" | "reachable" {
  const { name } = parseRequirement(requirement);
  const owners = all.filter(({ manifest }) =>
    manifest.capabilities.provides.some((one) => parseRequirement(one).name === name),
  );
  if (owners.length === 0) return "absent";
  const mayReach = ({ manifest: owner }: Bindable): boolean =>
    accessProblem(policy, "call", name, { user, owner }) === undefined;
  return owners.some(mayReach) ? "reachable" : "forbidden";
}

function bindOne(
  capsule: Bindable,
  requirement: string,
  all: readonly Bindable[],
  policy: Policy,
  pointer: string,
): string | Reason {
  const { name, range } = parseRequirement(requirement);
  const base = { capsule: capsule.id, requirement };
  const offers = all.flatMap((other) =>
    other.manifest.capabilities.provides
      .map(parseRequirement)
      .filter((offer) => offer.name === name)
      .map((offer) => ({ other, version: offer.range })),
  );
  if (offers.length === 0) return bindingReason("BINDING_CAPABILITY_MISSING", base, pointer);
  const fitting = offers.filter(({ version }) => satisfies(version, range));
  if (fitting.length === 0) {
    const offered = offers.map(({ other, version }) => `${name}@${version} of ${other.id}`).join(", ");
    return bindingReason("BINDING_VERSION_MISMATCH", { ...base, offered }, pointer);
  }
  const zone = zoneOf(capsule.manifest);
  const judged = fitting.map((offer) => ({
    ...offer,
    problem: accessProblem(policy, "call", name, { user: capsule.manifest, owner: offer.other.manifest }),
  }));
  const reachable = judged.filter(({ problem }) => problem === undefined);
  const [first] = judged;
  if (reachable.length === 0 && first !== undefined) {
    const list = (of: (manifest: Manifest) => string): string =>
      judged.map(({ other }) => `${other.id} ${of(other.manifest)}`).join(", ");
    switch (first.problem) {
      case "zone": {
        const offered = list((manifest) => `in zone ${zoneOf(manifest)}`);
        return bindingReason("BINDING_ZONE_FORBIDDEN", { ...base, zone, offered }, pointer);
      }
      case "tenant": {
        const offered = list((manifest) => `of ${tenantOf(manifest)}`);
        const tenant = tenantOf(capsule.manifest);
        return bindingReason("BINDING_TENANT_FORBIDDEN", { ...base, name, tenant, offered }, pointer);
      }
      default:
        return bindingReason("BINDING_ACCESS_FORBIDDEN", { ...base, name }, pointer);
    }
  }
  const tier = tierOf(capsule.manifest);
  const firm = reachable.filter(({ other }) => isFirmEnough(other.manifest, tier));
  if (firm.length === 0) {
    const offered = reachable.map(({ other }) => `${other.id} at ${tierOf(other.manifest)}`).join(", ");
    return bindingReason("BINDING_TIER_TOO_LOW", { ...base, tier, offered }, pointer);
  }
  // A capsule may provide several versions of one capability; it is still one candidate. Two capsules are two, even where
  // only one of them fits: a call names no version, so nothing would tell it apart from a call of the other.
  const candidates = [...new Set(offers.map(({ other }) => other.id))];
  if (candidates.length > 1) {
    return bindingReason("BINDING_AMBIGUOUS", { ...base, candidates: candidates.join(", ") }, pointer);
  }
  return (firm[0] as (typeof firm)[number]).other.id;
}

function tierOf(manifest: Manifest): DeterminismTier {
  return manifest.capabilities.determinism_tier ?? DEFAULT_DETERMINISM_TIER;
}

/** What a driver answers is recorded as the input of the turn that gets it, so replay never asks it again (ADR 6). */
function isFirmEnough(provider: Manifest, tier: DeterminismTier): boolean {
  if (provider.type === "driver") return true;
  return DETERMINISM_TIERS.indexOf(tierOf(provider)) <= DETERMINISM_TIERS.indexOf(tier);
}

function refuseDependents(
  bindings: readonly Binding[],
  refused: ReadonlyMap<string, readonly Reason[]>,
  refuse: (id: string, reason: Reason) => void,
): void {
  const queue = [...refused.keys()];
  for (let provider = queue.shift(); provider !== undefined; provider = queue.shift()) {
    for (const { requirer, requirement } of bindings.filter((one) => one.provider === provider)) {
      if (refused.has(requirer)) continue;
      refuse(
        requirer,
        bindingReason("BINDING_PROVIDER_REFUSED", { capsule: requirer, requirement, provider }),
      );
      queue.push(requirer);
    }
  }
}

/** Kahn 1962, always taking the smallest id that is ready. */
function activationOrder(
  ids: readonly string[],
  providersOf: (id: string) => readonly string[],
): readonly string[] {
  const order: string[] = [];
  const done = new Set<string>();
  const left = new Set(ids);
  while (left.size > 0) {
    const ready = [...left].find((id) =>
      providersOf(id).every((provider) => done.has(provider) || provider === id),
    );
    if (ready === undefined)
      throw new Error(`no order among ${[...left].join(", ")}: a circle was not refused`);
    left.delete(ready);
    done.add(ready);
    order.push(ready);
  }
  return order;
}
