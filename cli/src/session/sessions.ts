/** A session as a node knows it: its own, or the mirror of the one it is the client of. */
import { isVnesError, type Json, type JsonObject } from "@vnes/schemas";
import { ask } from "../ask.ts";
import type { ControlClient } from "../control/client.ts";
import { cliErrors } from "../errors.ts";
import { text } from "./fields.ts";

export const SESSION = "vpn.session";
export const CLIENT = "vpn.client";

/** How a command is given a session. */
export const NAMED = { type: "string", demandOption: true, describe: "Such as ses_..." } as const;

/** A node that runs no VPN capsule has no empty list of sessions; it has none to ask. */
export async function assertVpn(client: ControlClient): Promise<void> {
  await ask(client, SESSION, "list", { limit: 1 });
}

/** What the client of this node says of itself; null where none runs. */
export async function clientStatus(client: ControlClient): Promise<JsonObject | null> {
  return (await unlessAbsent(ask(client, CLIENT, "status", {}))) as JsonObject | null;
}

/** The session a client node is one end of; null when it has none. */
export function mirrorOf(status: JsonObject | null): JsonObject | null {
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
  return await unless(asked, ["CALL_CAPABILITY_UNAVAILABLE"]);
}

async function unless(asked: Promise<Json>, codes: readonly string[]): Promise<Json | null> {
  try {
    return await asked;
  } catch (error) {
    if (isVnesError(error) && codes.includes(error.code)) return null;
    throw error;
  }
}

/** Which end of the session this node is, and what it says of it. */
export type Known =
  | { readonly role: "client"; readonly status: JsonObject; readonly mirror: JsonObject }
  | { readonly role: "owner"; readonly view: JsonObject };

/** Why the session ended, as far as this node knows it; null: it lives. */
export function endedFor(known: Known): string | null {
  const { role } = known;
  const reason = text(role === "owner" ? known.view : known.status, "reason");
  const isOver = role === "owner" ? known.view["state"] === "TERMINATED" : known.status["mode"] === "ended";
  return isOver ? (reason ?? "?") : null;
}

/** What is no session's name is a session that is not here. */
const NOT_HERE = ["CALL_CAPABILITY_UNAVAILABLE", "SESSION_NOT_FOUND", "CALL_INPUT_INVALID"];

/** Null: neither end of it, or no longer. Rejects as `ask` does where no VPN capsule runs. */
export async function endOf(client: ControlClient, session: string): Promise<Known | null> {
  const status = await clientStatus(client);
  const mirror = mirrorOf(status);
  if (status !== null && mirror?.["sessionId"] === session) return { role: "client", status, mirror };
  const view = await unless(ask(client, SESSION, "get", { sessionId: session }), NOT_HERE);
  if (view !== null) return { role: "owner", view: view as JsonObject };
  // A client of another session knows nothing of this one; a node without VPN says which capability it lacks.
  if (status === null) await assertVpn(client);
  return null;
}

/** Rejects with `SESSION_NOT_FOUND` for a session of which this node is no end. */
export async function knownSession(client: ControlClient, session: string): Promise<Known> {
  const known = await endOf(client, session);
  if (known === null) throw cliErrors.create("SESSION_NOT_FOUND", { session });
  return known;
}
