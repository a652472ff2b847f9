/**
 * `vnes quarantine list|show|delete`: what was refused, and why. It reads the node's quarantine directory itself, because a node that
 * does not boot is when it is wanted most.
 */
import type { Argv } from "yargs";
import { openQuarantine } from "../node/authority.ts";
import { reasonsText } from "../output/problem.ts";
import { fields, shortHash, table } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Shell } from "../shell.ts";

export function addQuarantineList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list",
    "List what a node refused, newest first",
    (args) => args,
    async (args) => {
      const quarantine = await openQuarantine(await findPlace(shell, args));
      const entries = await quarantine.list();
      const text = table(entries, [
        { title: "entry", value: ({ entry }) => entry },
        // What could not be read far enough to have a name is known by where it came from.
        { title: "capsule", value: ({ id, origin }) => id ?? origin },
        { title: "version", value: ({ version }) => version ?? "-" },
        { title: "last", value: ({ at }) => new Date(at).toISOString().slice(0, 19).replace("T", " ") },
        { title: "times", value: ({ times }) => times, align: "right" },
        { title: "codes", value: ({ reasons }) => [...new Set(reasons.map(({ code }) => code))].join(" ") },
      ]);
      shell.output.data(
        "vnes.quarantine.list.v1",
        { entries },
        entries.length === 0 ? "quarantine is empty" : text,
      );
    },
  );
}

export function addQuarantineShow(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "show <entry>",
    "Show one refused capsule: every reason, and what to do about it",
    (args) =>
      args.positional("entry", { type: "string", demandOption: true, describe: "Such as qua_0123456789ab" }),
    async (args) => {
      const quarantine = await openQuarantine(await findPlace(shell, args));
      const detail = await quarantine.show(args.entry);
      const { entry, image } = detail;
      const text = [
        fields([
          ["entry", entry.entry],
          ["capsule", entry.id ?? "its manifest could not be read that far"],
          ["version", entry.version ?? "-"],
          ["origin", entry.origin],
          ["image", entry.imageHash === null ? "could not be read" : shortHash(entry.imageHash)],
          ["files", image ?? "none kept"],
          ["refused", `${entry.times} times, last ${new Date(entry.at).toISOString()}`],
        ]),
        reasonsText(shell.output, entry.reasons),
        shell.output.next(
          `manifest, receipt, hashes, findings by area: vnes quarantine show ${entry.entry} -o json`,
        ),
        shell.output.next(
          `A version that is mended, built and installed is judged anew at the next boot; this entry goes with: vnes quarantine delete ${entry.entry}`,
        ),
      ];
      shell.output.data("vnes.quarantine.show.v1", detail, text.join("\n\n"));
    },
  );
}

export function addQuarantineDelete(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "delete <entry>",
    "Delete one entry, such as that of a capsule that is mended by now",
    (args) =>
      args.positional("entry", { type: "string", demandOption: true, describe: "Such as qua_0123456789ab" }),
    async (args) => {
      const { entry } = args;
      await (await openQuarantine(await findPlace(shell, args))).remove(entry);
      shell.output.data("vnes.quarantine.delete.v1", { entry }, `${entry} is deleted`);
    },
  );
}
