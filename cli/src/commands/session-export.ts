/** `vnes session export`: an incident in one file that runs again anywhere, without this node: `vnes replay --file`. */
import { resolve } from "node:path";
import { type ExecutionReceipt, type JsonObject, shellWord } from "@vnes/schemas";
import type { Argv } from "yargs";
import { findEvents, type SeenEvent } from "../session/session-events.ts";
import { knownSession, NAMED } from "../session/sessions.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";
import { exportTo, receiptText, summaryOf } from "./receipt.ts";
import { parseSince } from "./session-history.ts";

/** Whose shard decides about the session, by what the node is of it. */
const DECIDES = {
  owner: { topic: "vpn.session.v1", capsule: "vnes.vpn.session" },
  client: { topic: "vpn.client.v1", capsule: "vnes.vpn.client" },
} as const;
/** Enough to find where a session that is still kept began. */
const LIMIT = 10_000;

export function addSessionExport(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "export <session>",
    "Write what decided about a session into one signed file that can be run again without this node",
    (args) =>
      args
        .positional("session", NAMED)
        .option("out", {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "The file to write",
        })
        .option("since", {
          type: "string",
          requiresArg: true,
          describe: "Only from this time on, such as 2026-01-31T12:00:00Z; default from its beginning",
        }),
    async (args) => {
      const { session } = args;
      const out = resolve(args.out);
      const since = args.since === undefined ? {} : { since: parseSince(args.since, "export") };
      const text = await withNode(shell, args, async (client) => {
        const { role } = await knownSession(client, session);
        const { topic, capsule } = DECIDES[role];
        const { events } = await findEvents(client, { session, limit: LIMIT, ...since });
        const place = turnOf(events.find((event) => event.topic === topic));
        const from = place === undefined ? {} : { shard: place.shard, from: place.seq };
        const params: JsonObject = { capsule: place?.capsule ?? capsule, replayable: true, ...from };
        return await exportTo(client, out, params);
      });
      const receipt = JSON.parse(text) as ExecutionReceipt;
      const notes = [
        "it holds the keys, channels, paths and times of every session in these records; no secret key",
        shell.output.next(`next: vnes replay --file ${shellWord(args.out)}`),
      ];
      const shown = [receiptText(out, receipt), ...notes].join("\n");
      shell.output.data("vnes.session.export.v1", { session, file: out, ...summaryOf(receipt) }, shown);
    },
  );
}

interface TurnPlace {
  readonly capsule: string;
  readonly shard: number;
  readonly seq: number;
}

/** The turn that published the event; undefined: its events are gone, and everything that is kept is exported. */
function turnOf(event: SeenEvent | undefined): TurnPlace | undefined {
  const [, capsule, shard, seq] = /^([^/:]+)\/(\d+):(\d+):\d+$/.exec(event?.source ?? "") ?? [];
  if (capsule === undefined || shard === undefined || seq === undefined) return undefined;
  return { capsule, shard: Number(shard), seq: Number(seq) };
}
