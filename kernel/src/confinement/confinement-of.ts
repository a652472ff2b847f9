/**
 * From the zone of a capsule to what its host is kept from, with the reason of every setting; or a refusal, where the zone demands what
 * this machine cannot do. Zone system has a process of its own unless the policy wants more; every other zone stands behind namespaces
 * unless somebody said `--unconfined-dev`. A driver, which lives in zone system only, is there to touch the machine.
 */
import type { Manifest, Policy, TrustZone, ZoneConfinement } from "@vnes/schemas";
import type {
  Confinement,
  ConfinementDecision,
  ConfinementReason,
  LimitKeeper,
  Platform,
} from "./confinement.ts";
import { groupOf } from "./host-group.ts";
import { ZONE_LIMITS, type ZoneLimits } from "./zone-limits.ts";

export interface ConfinementQuestion {
  readonly manifest: Manifest;
  readonly zone: TrustZone;
  readonly policy: Policy;
  readonly platform: Platform;
  /** Somebody accepted, for this boot, that zones are not confined. */
  readonly unconfinedDev: boolean;
}

export function confinementOf(question: ConfinementQuestion): ConfinementDecision {
  const { manifest, zone, policy, platform, unconfinedDev } = question;
  if (manifest.type === "driver") return driver(manifest.id, zone);
  const shared = groupOf(manifest, zone, policy);
  const sharedBy = because("sharedBy", shared.group, ...sharing(shared.rule, zone));
  const demanded = demandedWall(zone, policy);
  const { limits, limit, unkept } = limitsOf(zone, policy);
  const nice = limit("nice", "nice", "", "kept by the scheduler");
  const message = limit("messageMb", "message_mb", " MiB", "a larger one ends the host");
  const bare = (wall: ConfinementReason): ConfinementDecision =>
    process({ zone, sharedBy: shared.group, nice: limits.nice, messageMb: limits.message_mb }, [
      ...[wall, sharedBy],
      ...[unkept("memoryMb", "memory_mb"), unkept("pids", "pids"), unkept("cpuPercent", "cpu_percent")],
      ...[nice, unkept("openFiles", "open_files"), message],
    ]);
  if (demanded.value === "none") return bare(demanded);
  if (unconfinedDev) {
    const why = "--unconfined-dev: for this boot nothing but a process of its own stands around the capsule";
    return bare(because("wall", "none", "option", why));
  }
  if (platform.lacks.length > 0) return { kind: "refused", lacks: platform.lacks };

  const closed = "its own namespaces hold none";
  return {
    kind: "confined",
    confinement: {
      zone,
      wall: "namespaces",
      sharedBy: shared.group,
      memoryMb: limits.memory_mb,
      pids: limits.pids,
      cpuPercent: limits.cpu_percent,
      nice: limits.nice,
      openFiles: limits.open_files,
      scratchMb: limits.scratch_mb,
      messageMb: limits.message_mb,
      network: "none",
      devices: "none",
      reads: "program",
    },
    reasons: [
      demanded,
      sharedBy,
      limit("memoryMb", "memory_mb", " MiB", kept(platform.keeps.memory, "ended")),
      limit("pids", "pids", "", kept(platform.keeps.pids, "ended")),
      limit("cpuPercent", "cpu_percent", " %", kept(platform.keeps.cpu, "held up")),
      nice,
      limit("openFiles", "open_files", "", "kept by a resource limit"),
      limit("scratchMb", "scratch_mb", " MiB", "the root is read-only, and this is all that can be written"),
      message,
      because("network", "none", "zone", closed),
      because("devices", "none", "zone", "null, zero, full, random and urandom, which lead nowhere"),
      because("reads", "program", "zone", "what runs the capsule and the system's libraries, read-only"),
    ],
  };
}

function limitsOf(zone: TrustZone, policy: Policy) {
  const chosen = policy.confinement?.[zone] ?? {};
  const limits = { ...ZONE_LIMITS[zone], ...defined(chosen) };
  const limit = (setting: keyof Confinement, name: keyof ZoneLimits, unit: string, how: string) => {
    const from = chosen[name] === undefined ? "zone" : "policy";
    const where = from === "zone" ? `default of zone ${zone}` : `confinement.${zone}.${name} in the policy`;
    return because(setting, `${limits[name]}${unit}`, from, `${where}; ${how}`);
  };
  /** Without a wall, whatever the policy says. */
  const unkept = (setting: keyof Confinement, name: keyof ZoneLimits) => {
    if (chosen[name] === undefined)
      return because(setting, "no limit", "zone", "none is kept without a wall");
    const line = `confinement.${zone}.${name} in the policy counts behind a wall only`;
    const how = zone === "system" ? `${line}: set confinement.system.wall to "namespaces"` : line;
    return because(setting, "no limit", "policy", how);
  };
  return { limits, limit, unkept };
}

/** The wall the zone would have if this machine could do everything. */
function demandedWall(zone: TrustZone, policy: Policy): ConfinementReason {
  if (zone !== "system")
    return because("wall", "namespaces", "manifest", `zone ${zone} of the manifest demands it`);
  const wall = policy.confinement?.system?.wall;
  return wall === undefined
    ? because("wall", "none", "zone", "zone system: a process of its own, capsules apart by what runs them")
    : because("wall", wall, "policy", "confinement.system.wall in the policy");
}

function driver(id: string, zone: TrustZone): ConfinementDecision {
  const group = `device/${id}`;
  return process({ zone, sharedBy: group, nice: 0, messageMb: ZONE_LIMITS.system.message_mb }, [
    because("wall", "none", "manifest", "a driver touches the machine; policy grants it powers by name"),
    because("sharedBy", group, "manifest", "a driver has a process of its own"),
    because("nice", "0", "manifest", "a driver is what others wait for"),
  ]);
}

/** A process and nothing more. The niceness and the bound of a message need no wall; other limits are not kept. */
function process(
  own: Pick<Confinement, "zone" | "sharedBy" | "nice" | "messageMb">,
  reasons: readonly ConfinementReason[],
): ConfinementDecision {
  return {
    kind: "confined",
    confinement: {
      ...own,
      wall: "none",
      memoryMb: 0,
      pids: 0,
      cpuPercent: 0,
      openFiles: 0,
      scratchMb: 0,
      network: "machine",
      devices: "machine",
      reads: "machine",
    },
    reasons: [
      ...reasons,
      because("network", "machine", "zone", "what the process of its user may reach"),
      because("devices", "machine", "zone", "what the process of its user may open"),
      because("reads", "machine", "zone", "what the process of its user may read"),
    ],
  };
}

function sharing(rule: string | undefined, zone: TrustZone): readonly [ConfinementReason["from"], string] {
  if (rule !== undefined) return ["policy", `the rule ${rule} of hosts in the policy`];
  switch (zone) {
    case "system":
      return ["zone", "zone system has one host"];
    case "tenant":
      return ["manifest", "zone tenant has one for each owner of a namespace, and this is the manifest's"];
    case "session":
      return ["zone", "zone session has one for each capsule or group of the policy, within a tenant"];
    case "ephemeral":
      return ["zone", "an ephemeral capsule shares with nobody"];
  }
}

function kept(keeper: LimitKeeper, watched: string): string {
  return keeper === "watchdog" ? `a watchdog looks, and what is over it is ${watched}` : `kept by ${keeper}`;
}

function because(
  setting: keyof Confinement,
  value: string,
  from: ConfinementReason["from"],
  why: string,
): ConfinementReason {
  return { setting, value, from, why };
}

/** What the policy says of them. */
function defined(chosen: ZoneConfinement): Partial<ZoneLimits> {
  const said = Object.entries(chosen).filter(([name, value]) => name !== "wall" && value !== undefined);
  return Object.fromEntries(said);
}
