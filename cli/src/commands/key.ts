/** `vnes key`: the signing keys of this user. Only what is public of them is ever shown. */
import type { SignatureRole, TrustKey } from "@vnes/schemas";
import type { Argv } from "yargs";
import { openJudges } from "../node/authority.ts";
import { fields, table } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Shell } from "../shell.ts";
import { checkTyped, SCOPE_OPTIONS, unique } from "./key-scope.ts";

export function addKeyNew(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "new <name>",
    "Make a signing key and trust it on this machine",
    (args) =>
      args
        .positional("name", {
          type: "string",
          demandOption: true,
          describe: "Lower-case letters, digits and dashes",
        })
        .option("role", { choices: ["build", "deployment", "review"] as const, default: "build" as const })
        .option("namespace", {
          type: "string",
          array: true,
          default: ["*"],
          requiresArg: true,
          describe: "Capsule ids it may sign for: exact, or a prefix ending in .*",
        })
        .option("zone", SCOPE_OPTIONS.zone)
        .option("tier", SCOPE_OPTIONS.tier),
    async (args) => {
      const roles: readonly SignatureRole[] = [args.role];
      const [zones, tiers] = [unique(args.zone), unique(args.tier)];
      const scope = { roles, namespaces: args.namespace, zones, tiers };
      checkTyped(scope, "vnes key new --help");
      const { authority } = await openJudges(await findPlace(shell, args));
      const key = await authority.keys.createKey(args.name, roles);
      const trust = await authority.addKey(key, scope);
      const text = fields([
        ["key", key.keyId],
        ["name", key.name],
        ["role", args.role],
        ["signs for", args.namespace.join(" ")],
        ["zones", zones.join(" ")],
        ["tiers", tiers.join(" ")],
        ["trusted from", `version ${trust.version} of ${authority.trustFile}`],
      ]);
      // A build has one builder: beside the signature of another build key, this one would not make up for it.
      const sign =
        args.role === "build"
          ? `next: vnes capsule build <dir> --key ${key.name}`
          : `next: vnes capsule sign <dir> --role ${args.role} --key ${key.name}`;
      shell.output.data(
        "vnes.key.new.v1",
        { key, trustVersion: trust.version },
        `${text}\n${shell.output.next(sign)}`,
      );
    },
  );
}

export function addKeyList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list",
    "List the signing keys of this user, and the foreign ones that are trusted or revoked",
    (args) => args,
    async (args) => {
      const { authority, trust } = await openJudges(await findPlace(shell, args));
      const trusted = new Map(trust.keys.map((key) => [key.key_id, key]));
      const keys = (await authority.keys.list()).map((key) => {
        const entry = trusted.get(key.keyId);
        trusted.delete(key.keyId);
        const state = key.roles.includes("root")
          ? "root"
          : entry === undefined
            ? "not trusted"
            : stateOf(entry);
        return { ...key, state, namespaces: entry?.namespaces ?? [], zones: entry?.zones ?? [] };
      });
      const foreign = [...trusted.values()].map((entry) => {
        const { key_id: keyId, public_key: publicKey, valid_until: until } = entry;
        const { roles, namespaces, tiers, zones, owners } = entry;
        const scope = { roles, namespaces, tiers, zones, ...(owners === undefined ? {} : { owners }) };
        return { keyId, publicKey, state: stateOf(entry), ...scope, until };
      });
      const rows = [...keys, ...foreign.map((key) => ({ ...key, name: "(foreign)" }))];
      const text = table(rows, [
        { title: "key", value: ({ keyId }) => keyId },
        { title: "name", value: ({ name }) => name },
        { title: "roles", value: ({ roles }) => roles.join(" ") },
        { title: "state", value: ({ state }) => state },
        { title: "signs for", value: ({ namespaces }) => namespaces.join(" ") },
        { title: "zones", value: ({ zones }) => zones.join(" ") },
      ]);
      shell.output.data("vnes.key.list.v1", { keys, foreign }, text);
    },
  );
}

function stateOf({ revoked }: TrustKey): string {
  return revoked === undefined ? "trusted" : "revoked";
}
