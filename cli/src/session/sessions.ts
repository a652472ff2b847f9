/** A session as a node knows it: its own, or the mirror of the one it is the client of. */
import { isVnesError, type Json, type JsonObject } from "@vnes/schemas";
import { ask } from "../ask.ts";
import type { ControlClient } from "../control/client.ts";
import { cliErrors } from "../errors.ts";

export const SESSION = "vpn.session";
export const CLIENT = "vpn.client";

/** How a command is given a session. */
export const NAMED = { type: "string", demandOption: true, describe: "Such as ses_..." } as const;

/** A node that runs no VPN capsule has no empty list of sessions; it has none to ask. */
export async function assertVpn(client: ControlClient): Promise<void> {
  await ask(client, SESSION, "list", { limit: 1 });
}

/** The session a client node is one end of; null when it has none. */
export async function mirrored(client: ControlClient): Promise<JsonObject | null> {
  const status = (await unlessAbsent(ask(client, CLIENT, "status", {}))) as JsonObject | null;
  const session = status?.["session"];
  if (status === null || typeof session !== "object" || session === null) return null;
  const { id, ...rest } = session as JsonObject;
  if (id === undefined) return null;
  return {
    sessionId: id,
    role: "client",
    ...rest,
    binding: status["active"] ?? null,
    reason: status["reason"] ?? null,
  };
}

export async function unlessAbsent(asked: Promise<Json>): Promise<Json | null> {
  try {
    return await asked;
  } catch (error) {
    if (isVnesError(error) && error.code === "CALL_CAPABILITY_UNAVAILABLE") return null;
    throw error;
  }
}

/** Ids as `vpn.session` makes them; anything else it would refuse as an input, which tells a person nothing. */
const SESSION_ID = /^ses_[A-Za-z0-9]{8,40}$/;

/** Which end of the session this node is, and what it says of it. */
export type Known =
  | { readonly role: "client"; readonly status: JsonObject }
  | { readonly role: "owner"; readonly view: JsonObject };

/** Why the session ended, as far as this node knows it; null: it lives. */
export function endedFor(known: Known): string | null {
  const { role } = known;
  const reason = role === "owner" ? known.view["reason"] : known.status["reason"];
  const isOver = role === "owner" ? known.view["state"] === "TERMINATED" : known.status["mode"] === "ended";
  return isOver ? String(reason ?? "?") : null;
}

/** Rejects with `SESSION_NOT_FOUND` for a session that is neither, and as `ask` does where no VPN capsule runs. */
export async function knownSession(client: ControlClient, session: string): Promise<Known> {
  const mirror = await mirrored(client);
  if (mirror?.["sessionId"] === session) {
    return { role: "client", status: (await ask(client, CLIENT, "status", {})) as JsonObject };
  }
  const asked = SESSION_ID.test(session) ? ask(client, SESSION, "get", { sessionId: session }) : null;
  const view = asked === null ? null : await unlessAbsent(asked);
  if (view !== null) return { role: "owner", view: view as JsonObject };
  // A client of another session knows nothing of this one; a node without VPN says which capability it lacks.
  if (mirror === null) await assertVpn(client);
  throw cliErrors.create("SESSION_NOT_FOUND", { session });
}
