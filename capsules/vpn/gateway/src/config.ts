/** What a person may set of a gateway, parsed once at the start of an activation. Nobody is admitted who is not named. */
import type { Json } from "@vnes/sdk";
import { configReader } from "@vnes/sdk/config";
import { parsePolicy, SESSION_POLICY, type SessionPolicy, usualPolicy } from "@vnes/vpn-common";

export type GatewayConfig = {
  /** `any`: every key that can prove itself. Otherwise static keys, base64, with a name for people. */
  readonly admit: "any" | readonly { readonly peer: string; readonly name: string }[];
  readonly policy: SessionPolicy;
  /** How long a capsule that provides `session_policy` may take to decide; what is late is decided by `policy`. */
  readonly policyMs: number;
  /** Frames of one client that are worked on in a minute; a burst of a quarter of it may come at once. */
  readonly requestsPerMinute: number;
  /** The same of all clients together. */
  readonly framesPerMinute: number;
  /** How often bindings are compared with the transport's own list: its events may be lost. */
  readonly watchMs: number;
  /** A channel that carries no session is closed after this. */
  readonly unboundMs: number;
  /** One that the owner of a live session pings, after this. */
  readonly standbyMs: number;
};

const PEER = /^[A-Za-z0-9+/]{43}=$/;
const MAX_ADMITTED = 10_000;

const FIELDS = [
  "admit",
  "policy",
  "policyMs",
  "requestsPerMinute",
  "framesPerMinute",
  "watchMs",
  "unboundMs",
  "standbyMs",
];

const read = configReader(wrong);

export function parseConfig(config: Json): GatewayConfig {
  const root = read.object(config ?? {}, "", FIELDS);
  const parsed = parsePolicy(SESSION_POLICY, root["policy"] ?? {}, usualPolicy(SESSION_POLICY));
  if (!parsed.ok) throw wrong(`/policy${parsed.pointer}`, parsed.problem);
  return {
    admit: parseAdmit(root["admit"] ?? []),
    policy: parsed.policy,
    // Less than one lost answer costs the client.
    policyMs: read.whole(root, "policyMs", "", 100, 1, 2000),
    requestsPerMinute: read.whole(root, "requestsPerMinute", "", 240, 4, 60_000),
    // Three times what the clients of 4,096 channels send that ping and probe as they do by default; about a core's work.
    framesPerMinute: read.whole(root, "framesPerMinute", "", 120_000, 4, 6_000_000),
    watchMs: read.whole(root, "watchMs", "", 10_000, 100, 600_000),
    unboundMs: read.whole(root, "unboundMs", "", 10_000, 100, 600_000),
    standbyMs: read.whole(root, "standbyMs", "", 120_000, 100, 7_200_000),
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
    const { peer, name = "" } = read.object(item, at, ["peer", "name"]);
    if (typeof peer !== "string" || !PEER.test(peer))
      throw wrong(`${at}/peer`, "expected a public key in base64");
    if (typeof name !== "string" || name.length > 64)
      throw wrong(`${at}/name`, "expected at most 64 characters");
    return { peer, name };
  });
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`GATEWAY_CONFIG_INVALID at ${pointer}: ${problem}`);
}
