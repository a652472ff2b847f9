/**
 * From what was admitted to what runs here, in the order it starts: enrolled, chosen, bound. What is left out is said, with
 * the reason, in the log and in the kernel's shard.
 */
import { neededRequirements, type VnesError } from "@vnes/schemas";
import { programOf } from "../../admission/program.ts";
import { topicOffers, type TopicOffer } from "../../admission/topic-files.ts";
import { type Bindings, resolve } from "../../binding/resolve.ts";
import { kernelErrors } from "../../errors.ts";
import type { Capsule, CapsuleTable } from "../node/capsule-table.ts";
import { diagnostic, type KernelShard } from "../node/kernel-shard.ts";
import type { NodeParts } from "../node/parts.ts";
import { type Admission, reasonsFrom } from "./admit.ts";
import { confinementFor, unconfined } from "./confinement-for.ts";
import { groupOf } from "../../confinement/host-group.ts";

const DEFAULT_ZONE = "ephemeral";

export function enrol(
  parts: NodeParts,
  admission: Admission,
  table: CapsuleTable,
  kernel: KernelShard,
): void {
  for (const { manifest, image, origin, warnings } of admission.admitted) {
    const zone = manifest.security?.trust_zone ?? DEFAULT_ZONE;
    const capsule: Capsule = {
      id: manifest.id,
      version: manifest.version,
      manifest,
      image,
      origin,
      zone,
      group: groupOf(manifest, zone, parts.policy).group,
      state: "discovered",
      reason: "FOUND",
    };
    table.add(capsule);
    void table.move(capsule, { type: "admitted" });
    for (const warning of warnings) {
      parts.log.warn({ capsule: capsule.id, code: warning.code, file: warning.file }, warning.message);
    }
  }
  for (const { id, version, imageHash, origin, reasons, entry } of admission.refused) {
    const [first] = reasons;
    const code = first?.code ?? "UNKNOWN";
    if (id !== null) table.refuse({ id, version, code, entry });
    void kernel.record({
      type: "lifecycle",
      capsule: id ?? origin,
      version: version ?? "0.0.0",
      image: imageHash ?? "",
      from: "discovered",
      to: "quarantined",
      reason: code,
    });
    for (const reason of reasons) {
      const about = { type: "diagnostic", about: "admission", capsule: id ?? origin } as const;
      void kernel.record({ ...about, code: reason.code, message: reason.message });
      parts.log.warn({ capsule: id ?? origin, code: reason.code, file: reason.file, origin }, reason.message);
    }
  }
}

/** Throws `NODE_CAPSULE_NOT_FOUND` for an id that is to run and that nobody has: a slip of the pen, and no reason to run less. */
export function assertFound({ run }: NodeParts, admissions: readonly Admission[]): void {
  const found = new Set(
    admissions.flatMap(({ admitted, refused }) => [
      ...admitted.map(({ manifest }) => manifest.id),
      ...refused.map(({ id }) => id),
    ]),
  );
  const missing = (run ?? []).filter((id) => !found.has(id));
  if (missing.length === 0) return;
  throw kernelErrors.create("NODE_CAPSULE_NOT_FOUND", { missing: missing.join(", ") });
}

/** Throws `NODE_REQUIRED_CAPSULE_MISSING` unless everything that policy requires was admitted. */
export function assertRequired(parts: NodeParts, admission: Admission): void {
  const verified = new Set(admission.admitted.map(({ manifest }) => manifest.id));
  const missing = parts.policy.required.filter((id) => !verified.has(id));
  if (missing.length === 0) return;
  const why = admission.refused
    .filter(({ id }) => id !== null && missing.includes(id))
    .flatMap(({ id, reasons }) => reasons.map((reason) => `${id}: ${reason.code} ${reason.message}`));
  throw kernelErrors.create("NODE_REQUIRED_CAPSULE_MISSING", {
    missing: missing.join(", "),
    reasons: why.length === 0 ? "It was not found." : why.join("; "),
  });
}

/** What of the verified capsules is wanted here and can be run here. */
export function choose(parts: NodeParts, table: CapsuleTable, kernel: KernelShard): readonly Capsule[] {
  const wanted = wantedIds(parts, table);
  return table.all().filter((capsule) => {
    if (!wanted.has(capsule.id)) return false;
    const error = unrunnable(parts, capsule);
    if (error === undefined) return true;
    refuse(parts, table, kernel, capsule, error);
    return false;
  });
}

/** The configured ids, what policy requires, and whatever provides what those require. */
function wantedIds(parts: NodeParts, table: CapsuleTable): ReadonlySet<string> {
  const all = table.all();
  if (parts.run === undefined) return new Set(all.map(({ id }) => id));
  const wanted = new Set([...parts.run, ...parts.policy.required]);
  const nameOf = (text: string): string => text.split("@")[0] as string;
  for (let size = -1; size !== wanted.size; ) {
    size = wanted.size;
    for (const { id, manifest } of all) {
      if (!wanted.has(id)) continue;
      const needs = new Set(neededRequirements(manifest).map(nameOf));
      for (const other of all) {
        if (other.manifest.capabilities.provides.some((one) => needs.has(nameOf(one)))) wanted.add(other.id);
      }
    }
  }
  return wanted;
}

function unrunnable(parts: NodeParts, { id, zone, manifest }: Capsule): VnesError | undefined {
  const decision = confinementFor(parts, manifest, zone);
  if (decision.kind === "refused") return unconfined(id, zone, decision);
  const [{ from, why } = { from: "zone", why: "" }] = decision.reasons;
  if (from === "option") parts.log.warn({ capsule: id, zone }, why);
  const program = programOf(manifest);
  // A driver's host is Node: what it may touch is given to it as JavaScript.
  if (program !== undefined && (manifest.type !== "driver" || program.language === "javascript"))
    return undefined;
  const offered = Object.keys(manifest.interfaces ?? {}).join(", ") || "none";
  return kernelErrors.create("CAPSULE_INTERFACE_UNSUPPORTED", { capsule: id, interfaces: offered });
}

export function bind(
  parts: NodeParts,
  running: readonly Capsule[],
  table: CapsuleTable,
  kernel: KernelShard,
  recorded: ReadonlyMap<string, TopicOffer>,
): Pick<Bindings, "order" | "outOfReach"> {
  const bindable = running.map((capsule) => ({ ...capsule, topics: topicOffers(capsule.image) }));
  const bindings = resolve(bindable, parts.policy, recorded);
  for (const { id, reasons } of bindings.refused) {
    for (const reason of reasons) {
      const about = { type: "diagnostic", about: "binding", capsule: id } as const;
      void kernel.record({ ...about, code: reason.code, message: reason.message });
      parts.log.error({ capsule: id, code: reason.code, remedy: reason.remedy }, reason.message);
    }
    const reason = reasons[0]?.code ?? "BINDING_REFUSED";
    void table.move(table.get(id), { type: "stopped", reason }, reasons);
  }
  return bindings;
}

function refuse(
  parts: NodeParts,
  table: CapsuleTable,
  kernel: KernelShard,
  capsule: Capsule,
  error: VnesError,
): void {
  void kernel.record(diagnostic("capsule", capsule.id, error));
  parts.log.error({ capsule: capsule.id, code: error.code, remedy: error.remedy }, error.message);
  void table.move(capsule, { type: "stopped", reason: error.code }, reasonsFrom(error));
}
