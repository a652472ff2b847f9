/** What a person may set of a client, parsed once at the start of an activation. */
import type { Json, JsonObject } from "@vnes/sdk";
import { CLIENT_POLICY, type ClientPolicy, parsePolicy, usualPolicy } from "@vnes/vpn-common";

export type Candidate = {
  readonly pathId: string;
  readonly kind: "udp" | "tcp";
  readonly address: string;
  readonly port: number;
  /** Lower is tried first. */
  readonly priority: number;
  /** How geometry calls its other end. */
  readonly peer: string;
};

export type ClientConfig = {
  /** Static key of the gateway, base64; null: this node is nobody's client. */
  readonly gateway: string | null;
  /** How geometry calls this client. */
  readonly self: string;
  readonly candidates: readonly Candidate[];
  readonly policy: ClientPolicy;
  /** Ask for a new session after an explicit end; never otherwise. */
  readonly renew: boolean;
  readonly renewDelayMs: number;
};

const KEY = /^[A-Za-z0-9+/]{43}=$/;
const ADDRESS = /^[0-9a-fA-F.:]{2,45}$/;
const PATH = /^[\w.:-]{1,64}$/;
const NAME = "expected 1 to 64 letters, digits, . _ : or -";
const MAX_CANDIDATES = 16;

export function parseConfig(config: Json): ClientConfig {
  const root = objectAt(config ?? {}, "");
  known(root, "", ["gateway", "self", "candidates", "policy", "renew", "renewDelayMs"]);
  const { gateway = null, self = "client", candidates = [], renew = false } = root;
  if (gateway !== null && (typeof gateway !== "string" || !KEY.test(gateway))) {
    throw wrong("/gateway", "expected the gateway's public key in base64");
  }
  if (typeof self !== "string" || !PATH.test(self)) throw wrong("/self", NAME);
  if (!Array.isArray(candidates) || candidates.length > MAX_CANDIDATES) {
    throw wrong("/candidates", `expected a list of at most ${MAX_CANDIDATES}`);
  }
  const parsed = candidates.map((item: Json, index) => parseCandidate(item, `/candidates/${index}`));
  const twice = parsed.find((one, index) => parsed.findIndex((other) => other.pathId === one.pathId) < index);
  if (twice !== undefined) throw wrong("/candidates", `two candidates are called ${twice.pathId}`);
  if (gateway !== null && parsed.length === 0) throw wrong("/candidates", "expected at least one");
  if (typeof renew !== "boolean") throw wrong("/renew", "expected true or false");
  const policy = parsePolicy(CLIENT_POLICY, root["policy"] ?? {}, usualPolicy(CLIENT_POLICY));
  if (!policy.ok) throw wrong(`/policy${policy.pointer}`, policy.problem);
  return {
    gateway,
    self,
    candidates: parsed,
    policy: policy.policy,
    renew,
    renewDelayMs: wholeAt(root, "renewDelayMs", "", 1000, 0, 3_600_000),
  };
}

function parseCandidate(item: Json, at: string): Candidate {
  const value = objectAt(item, at);
  known(value, at, ["pathId", "kind", "address", "port", "priority", "peer"]);
  const { pathId, kind, address } = value;
  if (typeof pathId !== "string" || !PATH.test(pathId)) throw wrong(`${at}/pathId`, NAME);
  const { peer = pathId } = value;
  if (typeof peer !== "string" || !PATH.test(peer)) throw wrong(`${at}/peer`, NAME);
  if (kind !== "udp" && kind !== "tcp") throw wrong(`${at}/kind`, "expected udp or tcp");
  if (typeof address !== "string" || !ADDRESS.test(address))
    throw wrong(`${at}/address`, "expected an IP address");
  const port = wholeAt(value, "port", at, 0, 1, 65_535);
  const priority = wholeAt(value, "priority", at, 100, 0, 65_535);
  return { pathId, kind, address, port, priority, peer };
}

function objectAt(value: Json, at: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(at || "/", "expected an object");
}

function known(value: JsonObject, at: string, names: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(`${at}/${unknown}`, "unknown field");
}

function wholeAt(
  from: JsonObject,
  name: string,
  at: string,
  usual: number,
  min: number,
  max: number,
): number {
  const value = from[name] ?? usual;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw wrong(`${at}/${name}`, `expected a whole number from ${min} to ${max}`);
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`CLIENT_CONFIG_INVALID at ${pointer}: ${problem}`);
}
