/** What a person may set of a client, parsed once at the start of an activation. */
import type { Json } from "@vnes/sdk";
import { configReader } from "@vnes/sdk/config";
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

const read = configReader(wrong);

export function parseConfig(config: Json): ClientConfig {
  const names = ["gateway", "self", "candidates", "policy", "renew", "renewDelayMs"];
  const root = read.object(config ?? {}, "", names);
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
    renewDelayMs: read.whole(root, "renewDelayMs", "", 1000, 0, 3_600_000),
  };
}

function parseCandidate(item: Json, at: string): Candidate {
  const value = read.object(item, at, ["pathId", "kind", "address", "port", "priority", "peer"]);
  const { pathId, kind, address } = value;
  if (typeof pathId !== "string" || !PATH.test(pathId)) throw wrong(`${at}/pathId`, NAME);
  const { peer = pathId } = value;
  if (typeof peer !== "string" || !PATH.test(peer)) throw wrong(`${at}/peer`, NAME);
  if (kind !== "udp" && kind !== "tcp") throw wrong(`${at}/kind`, "expected udp or tcp");
  if (typeof address !== "string" || !ADDRESS.test(address))
    throw wrong(`${at}/address`, "expected an IP address");
  const port = read.whole(value, "port", at, 0, 1, 65_535);
  const priority = read.whole(value, "priority", at, 100, 0, 65_535);
  return { pathId, kind, address, port, priority, peer };
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`CLIENT_CONFIG_INVALID at ${pointer}: ${problem}`);
}
