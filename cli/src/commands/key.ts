/** `vnes key`: the signing keys of this user. Only what is public of them is ever shown. */
import { GOVERNANCE_TIERS, type SignatureRole, TRUST_ZONES } from "@vnes/schemas";
import type { Argv } from "yargs";
import { openJudges } from "../node/authority.ts";
import { fields, table } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Shell } from "../shell.ts";

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
        }),
    async (args) => {
      const { authority } = await openJudges(await findPlace(shell, args));
      const roles: readonly SignatureRole[] = [args.role];
      const key = await authority.keys.createKey(args.name, roles);
      const trust = await authority.addKey(key, {
        roles,
        namespaces: args.namespace,
        tiers: GOVERNANCE_TIERS.filter((tier) => tier !== "core" && tier !== "platform"),
        zones: TRUST_ZONES.filter((zone) => zone !== "system"),
      });
      const text = fields([
        ["key", key.keyId],
        ["name", key.name],
        ["role", args.role],
        ["signs for", args.namespace.join(" ")],
        ["trusted from", `version ${trust.version} of ${authority.trustFile}`],
      ]);
      shell.output.data("vnes.key.new.v1", { key, trustVersion: trust.version }, text);
    },
  );
}

export function addKeyList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list",
    "List the signing keys of this user",
    (args) => args,
    async (args) => {
      const { authority } = await openJudges(await findPlace(shell, args));
      const trusted = new Map(authority.trust().keys.map((key) => [key.key_id, key]));
      const keys = (await authority.keys.list()).map((key) => {
        const trust = trusted.get(key.keyId);
        const state =
          trust?.revoked !== undefined ? "revoked" : trust !== undefined ? "trusted" : "not trusted";
        return {
          ...key,
          state: key.roles.includes("root") ? "root" : state,
          namespaces: trust?.namespaces ?? [],
        };
      });
      const text = table(keys, [
        { title: "key", value: ({ keyId }) => keyId },
        { title: "name", value: ({ name }) => name },
        { title: "roles", value: ({ roles }) => roles.join(" ") },
        { title: "state", value: ({ state }) => state },
        { title: "signs for", value: ({ namespaces }) => namespaces.join(" ") },
      ]);
      shell.output.data("vnes.key.list.v1", { keys }, text);
    },
  );
}
