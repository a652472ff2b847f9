/** Classes of clients and who belongs to which, as a person configures them. */
import type { Json } from "@vnes/sdk";
import { configReader } from "@vnes/sdk/config";
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

const read = configReader(wrong);

export function parseConfig(config: Json): Classes {
  const root = read.object(config ?? {}, "", ["classes", "members"]);
  const classes = read.object(root["classes"] ?? {}, "/classes");
  const members = read.object(root["members"] ?? {}, "/members");
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

function wrong(pointer: string, problem: string): Error {
  return new Error(`CLASSES_CONFIG_INVALID at ${pointer}: ${problem}`);
}
