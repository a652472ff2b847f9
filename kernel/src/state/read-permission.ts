/**
 * Who may read whose keys. Denied unless the reader's manifest says that it reads a prefix and the owner's that it shares
 * one: two signatures stand behind every read. A capsule may always read its own.
 */
import type { Manifest, VnesError } from "@vnes/schemas";
import type { StateRequest } from "../ledger/state-request.ts";
import { stateErrors } from "./errors.ts";

/** The first key or prefix of the request that the reader has not declared; undefined when it has declared all. */
export function undeclaredRead(request: StateRequest, reader: Manifest): string | undefined {
  if (request.capsule === reader.id) return undefined;
  const declared = (reader.state?.reads ?? [])
    .filter(({ capsule }) => capsule === request.capsule)
    .map(({ prefix }) => prefix);
  return outside(request, declared);
}

/** `STATE_NOT_SHARED` unless the owner shares all of it. */
export function unsharedRead(request: StateRequest, owner: Manifest, reader: string): VnesError | undefined {
  if (owner.id === reader) return undefined;
  const what = outside(request, owner.state?.shares ?? []);
  if (what === undefined) return undefined;
  return stateErrors.create("STATE_NOT_SHARED", { capsule: owner.id, what, reader });
}

function outside({ keys, prefix }: StateRequest, allowed: readonly string[]): string | undefined {
  const asked = keys ?? [prefix ?? ""];
  return asked.find((one) => !allowed.some((start) => one.startsWith(start)));
}
