/** What a person may set of a gateway, parsed once at the start of an activation. Nobody is admitted who is not named. */
import type { Json, JsonObject } from "@vnes/sdk";
import { parsePolicy, SESSION_POLICY, type SessionPolicy, usualPolicy } from "@vnes/vpn-common";

export type GatewayConfig = {
  /** `any`: every key that can prove itself. Otherwise static keys, base64, with a name for people. */
  readonly admit: "any" | readonly { readonly peer: string; readonly name: string }[];
  readonly policy: SessionPolicy;
  /** How long a capsule that provides `session_policy` may take to decide; what is late is decided by `policy`. */
  readonly policyMs: number;
  /** Frames of one client that are worked on in a minute; a burst of a quarter of it may come at once. */
  readonly requestsPerMinute: number;
  /** How often bindings are compared with the transport's own list: its events may be lost. */
  readonly watchMs: number;
  /** A channel that carries no session is closed after this. */
  readonly unboundMs: number;
  /** One that the owner of a live session pings, after this. */
  readonly standbyMs: number;
};

const PEER = /^[A-Za-z0-9+/]{43}=$/;
const MAX_ADMITTED = 10_000;

export function parseConfig(config: Json): GatewayConfig {
  const root = objectAt(config ?? {}, "");
  known(root, "", ["admit", "policy", "policyMs", "requestsPerMinute", "watchMs", "unboundMs", "standbyMs"]);
  const parsed = parsePolicy(SESSION_POLICY, root["policy"] ?? {}, usualPolicy(SESSION_POLICY));
  if (!parsed.ok) throw wrong(`/policy${parsed.pointer}`, parsed.problem);
  return {
    admit: parseAdmit(root["admit"] ?? []),
    policy: parsed.policy,
    // Less than one lost answer costs the client.
    policyMs: wholeAt(root, "policyMs", 100, 1, 2000),
    requestsPerMinute: wholeAt(root, "requestsPerMinute", 240, 4, 60_000),
    watchMs: wholeAt(root, "watchMs", 10_000, 100, 600_000),
    unboundMs: wholeAt(root, "unboundMs", 10_000, 100, 600_000),
    standbyMs: wholeAt(root, "standbyMs", 120_000, 100, 7_200_000),
  };
}

export function isAdmitted(config: GatewayConfig, peer: string): boolean {
  return config.admit === "any" || config.admit.some((one) => one.peer === peer);
}

/** For many of them: each is looked up. */
export function admission({ admit }: GatewayConfig): (peer: string) => boolean {
  if (admit === "any") return () => true;
  const admitted = new Set(admit.map(({ peer }) => peer));
  return (peer) => admitted.has(peer);
}

/** What people call it; empty where it has no name. */
export function nameOf({ admit }: GatewayConfig, peer: string): string {
  return admit === "any" ? "" : (admit.find((one) => one.peer === peer)?.name ?? "");
}

function parseAdmit(admit: Json): GatewayConfig["admit"] {
  if (admit === "any") return "any";
  if (!Array.isArray(admit) || admit.length > MAX_ADMITTED) {
    throw wrong("/admit", `expected "any" or a list of at most ${MAX_ADMITTED}`);
  }
  return admit.map((item: Json, index) => {
    const at = `/admit/${index}`;
    const entry = objectAt(item, at);
    known(entry, at, ["peer", "name"]);
    const { peer, name = "" } = entry;
    if (typeof peer !== "string" || !PEER.test(peer))
      throw wrong(`${at}/peer`, "expected a public key in base64");
    if (typeof name !== "string" || name.length > 64)
      throw wrong(`${at}/name`, "expected at most 64 characters");
    return { peer, name };
  });
}

function objectAt(value: Json, at: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(at || "/", "expected an object");
}

function known(value: JsonObject, at: string, names: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(`${at}/${unknown}`, "unknown field");
}

function wholeAt(from: JsonObject, name: string, usual: number, min: number, max: number): number {
  const value = from[name] ?? usual;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw wrong(`/${name}`, `expected a whole number from ${min} to ${max}`);
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`GATEWAY_CONFIG_INVALID at ${pointer}: ${problem}`);
}
