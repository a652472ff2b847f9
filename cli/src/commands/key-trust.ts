/** `vnes key export|trust|distrust`: keys of other people, and what they may sign for on this machine. */
import { resolve } from "node:path";
import type { KeyScope, PublicKey } from "@vnes/registry";
import { SIGNATURE_ROLES } from "@vnes/schemas";
import type { Argv } from "yargs";
import { readNamedFile, unusableReason } from "../named-file.ts";
import { type Judges, openJudges } from "../node/authority.ts";
import { fields, jsonText } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Place, type Shell } from "../shell.ts";
import { checkTyped, SCOPE_OPTIONS, unique } from "./key-scope.ts";

const KEY_ID = /^key_[a-f0-9]{16}$/;
const RESTART = "next: vnes boot, or restart the node that runs";

export function addKeyExport(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "export <key>",
    "Write the public half of a key, for others to trust: vnes key export build > my.pub.json",
    (args) => args.positional("key", { type: "string", demandOption: true, describe: "Name or id" }),
    async (args) => {
      const { authority } = await openJudges(await findPlace(shell, args));
      const { publicKeyDocument } = await import("@vnes/registry");
      const key = publicKeyDocument(await authority.keys.find(args.key));
      shell.output.data("vnes.key.export.v1", { key }, jsonText(key));
    },
  );
}

export function addKeyTrust(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "trust <file>",
    "Let somebody else's key sign for capsules on this machine",
    (args) =>
      args
        .positional("file", { type: "string", demandOption: true, describe: "What key export wrote" })
        .option("namespace", {
          type: "string",
          array: true,
          demandOption: true,
          requiresArg: true,
          describe: "Capsule ids it may sign for: exact, or a prefix ending in .*",
        })
        .option("role", {
          choices: SIGNATURE_ROLES,
          array: true,
          default: ["build"] as const,
          requiresArg: true,
          describe: "As what its signatures count",
        })
        .option("zone", SCOPE_OPTIONS.zone)
        .option("tier", SCOPE_OPTIONS.tier)
        .option("owner", {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Tenants (governance.owner) it may sign for; default: any",
        })
        .option("replace", {
          type: "boolean",
          default: false,
          describe: "In place of what it may sign for now",
        }),
    async (args) => {
      const { namespace, role, zone, tier, owner, replace } = args;
      const scope: KeyScope = {
        roles: unique(role),
        namespaces: unique(namespace),
        tiers: unique(tier),
        zones: unique(zone),
        ...(owner === undefined ? {} : { owners: unique(owner) }),
      };
      checkTyped(scope, "vnes key trust --help");
      const key = await readKey(args.file);
      const { authority } = await openOwnTrust(await findPlace(shell, args));
      const trust = await authority.addForeignKey(key, scope, replace);
      const until = trust.keys.find(({ key_id: id }) => id === key.keyId)?.valid_until ?? "";
      const text = [
        fields([
          ["key", key.keyId],
          ["roles", scope.roles.join(" ")],
          ["signs for", scope.namespaces.join(" ")],
          ["owners", scope.owners?.join(", ") ?? "any"],
          ["tiers", scope.tiers.join(" ")],
          ["zones", scope.zones.join(" ")],
          ["trusted", `until ${until}, from version ${trust.version} of ${authority.trustFile}`],
        ]),
        shell.output.next(`if its owner calls it by another id: vnes key distrust ${key.keyId}`),
        shell.output.next(RESTART),
      ].join("\n");
      shell.output.data("vnes.key.trust.v1", { key, ...scope, until, trustVersion: trust.version }, text);
    },
  );
}

export function addKeyDistrust(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "distrust <key>",
    "Revoke a key: what it signed counts no longer, and it does not come back",
    (args) =>
      args
        .positional("key", { type: "string", demandOption: true, describe: "Id, or name of an own one" })
        .option("reason", {
          type: "string",
          default: "revoked by hand",
          requiresArg: true,
          describe: "Told to whoever meets what it signed",
        }),
    async (args) => {
      checkTyped({ reason: args.reason }, "vnes key distrust --help");
      const { authority } = await openOwnTrust(await findPlace(shell, args));
      const { registryErrors } = await import("@vnes/registry");
      const keyId = KEY_ID.test(args.key) ? args.key : (await authority.keys.find(args.key)).keyId;
      const name = await authority.ownUse(keyId);
      if (name !== null)
        throw registryErrors.create("KEY_NEEDED", { key: keyId, name, dir: authority.configDir });
      const before = authority.trust().version;
      const { version, keys } = await authority.revokeKey(keyId, args.reason);
      const revoked = keys.find(({ key_id: id }) => id === keyId)?.revoked;
      const text = [
        fields([
          ["key", keyId],
          ["revoked", `${revoked?.at}: ${revoked?.reason}`],
          ["since", `version ${version} of ${authority.trustFile}${version === before ? ", as before" : ""}`],
        ]),
        shell.output.next(RESTART),
      ].join("\n");
      shell.output.data("vnes.key.distrust.v1", { keyId, revoked, trustVersion: version }, text);
    },
  );
}

/** A document that another root signs is nothing this machine could write. */
async function openOwnTrust(place: Place): Promise<Judges> {
  const judges = await openJudges(place);
  const { trust: file } = place.config;
  if (file === undefined || file === judges.authority.trustFile) return judges;
  const { registryErrors } = await import("@vnes/registry");
  throw registryErrors.create("TRUST_ELSEWHERE", { file });
}

async function readKey(path: string): Promise<PublicKey> {
  const { PUBLIC_KEY_FILE_MAX_BYTES, readPublicKey, registryErrors } = await import("@vnes/registry");
  const file = resolve(path);
  let bytes: Uint8Array;
  try {
    bytes = await readNamedFile(file, PUBLIC_KEY_FILE_MAX_BYTES);
  } catch (cause) {
    throw registryErrors.create("KEY_PUBLIC_FILE_UNUSABLE", { file, reason: unusableReason(cause) }, cause);
  }
  return readPublicKey(file, bytes);
}
