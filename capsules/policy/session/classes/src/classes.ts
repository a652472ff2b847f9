/** Classes of clients and who belongs to which, as a person configures them. */
import type { Json, JsonObject } from "@vnes/sdk";
import { parsePolicy, SESSION_POLICY, type SessionPolicy, usualPolicy } from "@vnes/vpn-common";

export type Classes = {
  /** What each class has other than the gateway's own policy. */
  readonly classes: { readonly [name: string]: Partial<SessionPolicy> };
  /** Static keys of clients, base64, to the names of their classes. */
  readonly members: { readonly [peer: string]: string };
};

const MAX_CLASSES = 64;
const MAX_MEMBERS = 10_000;
const NAME = /^[\w-]{1,32}$/;
const PEER = /^[A-Za-z0-9+/]{43}=$/;

export function parseConfig(config: Json): Classes {
  const root = objectAt(config ?? {}, "/");
  const unknown = Object.keys(root).find((name) => name !== "classes" && name !== "members");
  if (unknown !== undefined) throw wrong(`/${unknown}`, "unknown field");
  const classes = objectAt(root["classes"] ?? {}, "/classes");
  const members = objectAt(root["members"] ?? {}, "/members");
  if (Object.keys(classes).length > MAX_CLASSES) throw wrong("/classes", `expected at most ${MAX_CLASSES}`);
  if (Object.keys(members).length > MAX_MEMBERS) throw wrong("/members", `expected at most ${MAX_MEMBERS}`);
  for (const [name, policy] of Object.entries(classes)) {
    if (!NAME.test(name))
      throw wrong(`/classes/${name}`, "expected a name of 1 to 32 letters, digits, _ or -");
    const parsed = parsePolicy(SESSION_POLICY, policy, usualPolicy(SESSION_POLICY));
    if (!parsed.ok) throw wrong(`/classes/${name}${parsed.pointer}`, parsed.problem);
  }
  for (const [peer, name] of Object.entries(members)) {
    if (!PEER.test(peer)) throw wrong(`/members/${peer}`, "expected a public key in base64");
    if (typeof name !== "string" || !Object.hasOwn(classes, name))
      throw wrong(`/members/${peer}`, "expected the name of a class");
  }
  return { classes, members } as Classes;
}

function objectAt(value: Json, at: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(at, "expected an object");
}

function wrong(pointer: string, problem: string): Error {
  return new Error(`CLASSES_CONFIG_INVALID at ${pointer}: ${problem}`);
}
