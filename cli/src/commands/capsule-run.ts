/** `vnes capsule list|inspect|suspend|resume|unload`: the capsules of a running node, and what is installed. */
import type { CapsuleStatus } from "@vnes/kernel";
import type { Argv } from "yargs";
import type { ControlClient } from "../control/client.ts";
import { openRegistry } from "../node/authority.ts";
import { type ShardElsewhere, shardsElsewhere } from "../node/shards-elsewhere.ts";
import { type InspectionAnswer, inspectionText } from "../output/inspection.ts";
import { shortHash, table } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Place, type Shell, withNode } from "../shell.ts";
import { capsuleTable } from "./status.ts";

export function addCapsuleList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list",
    "List the capsules of a running node, or with --installed those of the local registry",
    (args) =>
      args.option("installed", {
        type: "boolean",
        default: false,
        describe: "What is in the registry; needs no node",
      }),
    async (args) => {
      if (args.installed) {
        const installed = await (await openRegistry(await findPlace(shell, args))).list();
        const text = table(installed, [
          { title: "capsule", value: ({ id }) => id },
          { title: "version", value: ({ version }) => version },
          { title: "state", value: ({ state }) => state },
          { title: "image", value: ({ image }) => shortHash(image) },
          { title: "installed", value: ({ installed_at: at }) => at.slice(0, 19).replace("T", " ") },
          { title: "from", value: ({ origin }) => origin },
        ]);
        shell.output.data(
          "vnes.capsule.installed.v1",
          { installed },
          installed.length === 0 ? "nothing is installed" : text,
        );
        return;
      }
      const capsules = await withNode(shell, args, async (client) => {
        return (await client.request("capsules")) as unknown as readonly CapsuleStatus[];
      });
      const text = capsules.length === 0 ? "no capsules" : capsuleTable(shell.output, capsules);
      shell.output.data("vnes.capsule.list.v1", { capsules }, text);
    },
  );
}

export function addCapsuleInspect(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "inspect <id>",
    "Show what a capsule is, who built it, what it reaches, uses and is confined to, and why",
    (args) =>
      args.positional("id", { type: "string", demandOption: true, describe: "Such as vnes.vpn.session" }),
    async (args) => {
      const found = await withNode(shell, args, async (client) => {
        return (await client.request("inspect", { capsule: args.id })) as unknown as InspectionAnswer;
      });
      shell.output.data("vnes.capsule.inspect.v1", found, inspectionText(shell.output, found));
    },
  );
}

const ACTIONS = [
  ["suspend", "Stop delivering to a capsule and keep what waits for it"],
  ["resume", "Deliver to a suspended capsule again"],
  ["unload", "Stop a capsule until the node boots again"],
] as const;

export function addCapsuleActions(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  let args = yargs;
  for (const [action, describe] of ACTIONS) {
    args = args.command(
      `${action} <id>`,
      describe,
      (options) =>
        options.positional("id", {
          type: "string",
          demandOption: true,
          describe: "Such as vnes.vpn.session",
        }),
      async (options) => {
        const [capsule, elsewhere] = await withNode(shell, options, async (client, place) => {
          const done = (await client.request(action, { capsule: options.id })) as unknown as CapsuleStatus;
          return [done, await elsewhereOf(client, place, options.id)];
        });
        for (const { shard, node } of elsewhere)
          shell.output.say(`${shard} is with node ${node} and stays as it is: ask there as well`);
        shell.output.data(`vnes.capsule.${action}.v1`, { capsule }, capsuleTable(shell.output, [capsule]));
      },
    );
  }
  return args;
}

async function elsewhereOf(
  client: ControlClient,
  place: Place,
  id: string,
): Promise<readonly ShardElsewhere[]> {
  if (place.config.cluster === undefined) return [];
  const { manifest } = (await client.request("inspect", { capsule: id })) as unknown as InspectionAnswer;
  return await shardsElsewhere(place, manifest);
}
