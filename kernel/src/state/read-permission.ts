/**
 * Who may read whose keys. Denied unless the reader's manifest says that it reads a prefix and the owner's that it shares
 * one: two signatures stand behind every read. A capsule may always read its own.
 */
import type { Manifest, Policy, VnesError } from "@vnes/schemas";
import { ACCESS_WHY, accessProblem } from "../binding/access.ts";
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

/** `STATE_NOT_SHARED` unless the owner shares all of it, `STATE_READ_FORBIDDEN` where zones, tenants or policy keep the two apart. */
export function unsharedRead(
  request: StateRequest,
  owner: Manifest,
  reader: string,
  { policy, manifest }: { readonly policy: Policy; readonly manifest: Manifest | undefined },
): VnesError | undefined {
  if (owner.id === reader) return undefined;
  // Nobody who is not known here.
  const apart =
    manifest === undefined ? "policy" : accessProblem(policy, "read", owner.id, { user: manifest, owner });
  if (apart !== undefined) {
    return stateErrors.create("STATE_READ_FORBIDDEN", { capsule: owner.id, reader, why: ACCESS_WHY[apart] });
  }
  const what = outside(request, owner.state?.shares ?? []);
  if (what === undefined) return undefined;
  return stateErrors.create("STATE_NOT_SHARED", { capsule: owner.id, what, reader });
}

function outside({ keys, prefix }: StateRequest, allowed: readonly string[]): string | undefined {
  const asked = keys ?? [prefix ?? ""];
  return asked.find((one) => !allowed.some((start) => one.startsWith(start)));
}
