/** What a key may sign for, as it is typed: the flags of `vnes key trust`, and what the trust document can hold of them. */
import type { KeyScope } from "@vnes/registry";
import { GOVERNANCE_TIERS, TRUST_ZONES } from "@vnes/schemas";
import { cliErrors } from "../errors.ts";

/** Without a word of anybody: neither what a node itself stands on, nor the zone that touches the machine. */
export const MODEST: Pick<KeyScope, "tiers" | "zones"> = {
  tiers: GOVERNANCE_TIERS.filter((tier) => tier !== "core" && tier !== "platform"),
  zones: TRUST_ZONES.filter((zone) => zone !== "system"),
};

/** These are the bounds of `schemas/trust.schema.json`. */
const NAMESPACE = /^(\*|[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?)$/;
const MAX_NAMESPACE_CHARS = 160;
const MAX_OWNER_CHARS = 256;
const MAX_ITEMS = 256;

/** Rejects what a trust document could not hold, before anything is made. `next` is what to type instead. */
export function checkScope({ namespaces, owners = [] }: KeyScope, next: string): void {
  const problem = problemOf(namespaces, owners);
  if (problem !== undefined) throw cliErrors.create("CLI_USAGE", { problem, next });
}

function problemOf(namespaces: readonly string[], owners: readonly string[]): string | undefined {
  const wrong = namespaces.find((one) => one.length > MAX_NAMESPACE_CHARS || !NAMESPACE.test(one));
  if (wrong !== undefined)
    return `--namespace takes an id such as acme.greeter or a prefix such as 'acme.*', and not ${JSON.stringify(wrong)}`;
  if (owners.some((owner) => owner === "" || owner.length > MAX_OWNER_CHARS))
    return `--owner takes a name of at most ${MAX_OWNER_CHARS} characters`;
  if (Math.max(namespaces.length, owners.length) > MAX_ITEMS)
    return `--namespace and --owner are taken ${MAX_ITEMS} times at most`;
  return undefined;
}
