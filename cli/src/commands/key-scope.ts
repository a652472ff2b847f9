/** What a key may sign for, as it is typed: the flags of `vnes key new|trust|distrust`, held to what a trust document can say of a key. */
import {
  documentCheck,
  GOVERNANCE_TIERS,
  type GovernanceTier,
  TRUST_ZONES,
  type TrustKey,
  type TrustZone,
} from "@vnes/schemas";
import { cliErrors } from "../errors.ts";

/** Without a word of anybody: neither what a node itself stands on, nor the zone that touches the machine. */
export const MODEST: Pick<TrustKey, "tiers" | "zones"> = {
  tiers: GOVERNANCE_TIERS.filter((tier) => tier !== "core" && tier !== "platform"),
  zones: TRUST_ZONES.filter((zone) => zone !== "system"),
};

interface ScopeOption<T> {
  readonly choices: readonly T[];
  readonly array: true;
  readonly default: readonly T[];
  readonly requiresArg: true;
  readonly describe: string;
}

/** The flags that name more, or less, than that. */
export const SCOPE_OPTIONS: {
  readonly zone: ScopeOption<TrustZone>;
  readonly tier: ScopeOption<GovernanceTier>;
} = {
  zone: {
    choices: TRUST_ZONES,
    array: true,
    default: MODEST.zones,
    requiresArg: true,
    describe: "Trust zones of the capsules it may sign for",
  },
  tier: {
    choices: GOVERNANCE_TIERS,
    array: true,
    default: MODEST.tiers,
    requiresArg: true,
    describe: "Governance tiers of the capsules it may sign for",
  },
};

/** What of a key is free text, by its place in the document, and the flag it is typed with. */
const FLAGS: { readonly [place: string]: string } = {
  "/keys/0/namespaces": "--namespace",
  "/keys/0/owners": "--owner",
  "/keys/0/revoked/reason": "--reason",
};

const checkTrust = documentCheck("trust");

export function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

interface Typed {
  readonly namespaces?: readonly string[];
  readonly owners?: readonly string[];
  readonly reason?: string;
}

/** Rejects what a trust document could not hold, before anything is made. `next` is what to type instead. */
export function checkTyped({ namespaces = [], owners = [], reason = "" }: Typed, next: string): void {
  const problem = owners.includes("") ? "--owner takes a name" : problemOf({ namespaces, owners, reason });
  if (problem !== undefined) throw cliErrors.create("CLI_USAGE", { problem, next });
}

function problemOf({ namespaces, owners, reason }: Required<Typed>): string | undefined {
  // That everything else is missing is said of other places.
  const document = { keys: [{ namespaces: [...namespaces], owners: [...owners], revoked: { reason } }] };
  for (const { pointer, message } of checkTrust(document)) {
    const [place = "", nth] = pointer.split(/\/(?=\d+$)/);
    const flag = FLAGS[place];
    if (flag === undefined) continue;
    if (flag !== "--namespace" || nth === undefined) return `${flag} ${message}`;
    const wrong = JSON.stringify(namespaces[Number(nth)]);
    return `--namespace takes an id such as acme.greeter or a prefix such as 'acme.*', and not ${wrong}`;
  }
  return undefined;
}
