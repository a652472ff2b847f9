/** `vnes session export`: an incident in one file that runs again anywhere, without this node: `vnes replay --file`. */
import { resolve } from "node:path";
import { type ExecutionReceipt, type JsonObject, shellWord } from "@vnes/schemas";
import type { Argv } from "yargs";
import type { ControlClient } from "../control/client.ts";
import { cliErrors } from "../errors.ts";
import { findEvents, isOfDecision, type Search, type SeenEvent } from "../session/session-events.ts";
import { endOf, NAMED } from "../session/sessions.ts";
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
      const { text, begins } = await withNode(shell, args, async (client) => {
        const { place, begins } = await beginning(client, { session, limit: LIMIT, ...since });
        return { text: await exportTo(client, out, { ...place, replayable: true }), begins };
      });
      const receipt = JSON.parse(text) as ExecutionReceipt;
      const notes = [
        ...(begins === null
          ? []
          : [`it begins with the session's event of ${begins}: older ones were not looked at`]),
        "it holds the keys, channels, paths and times of every session in these records; no secret key",
        shell.output.next(`next: vnes replay --file ${shellWord(args.out)}`),
      ];
      const shown = [receiptText(out, receipt), ...notes].join("\n");
      shell.output.data("vnes.session.export.v1", { session, file: out, ...summaryOf(receipt) }, shown);
    },
  );
}

interface Beginning {
  /** Capsule, shard and record; the capsule alone where the session's events are gone: then everything kept is exported. */
  readonly place: JsonObject;
  /** When its first event was, of a session whose older events were not looked at; null where it is exported whole. */
  readonly begins: string | null;
}

/** Where what decided about the session begins. One that is kept no more has events still. */
async function beginning(
  client: ControlClient,
  search: Search & { readonly session: string },
): Promise<Beginning> {
  const { session, since } = search;
  const known = await endOf(client, session);
  const { events, cut } = await findEvents(client, search);
  const decisions = events.filter(isOfDecision);
  const role =
    known?.role ?? (decisions.some(({ topic }) => topic === DECIDES.owner.topic) ? "owner" : "client");
  const { topic, capsule } = DECIDES[role];
  const first = decisions.find((event) => event.topic === topic);
  const place = turnOf(first);
  if (first !== undefined && place !== undefined) {
    return { place, begins: cut ? new Date(first.at).toISOString() : null };
  }
  if (known === null) throw cliErrors.create("SESSION_NOT_FOUND", { session });
  if (since === undefined) return { place: { capsule }, begins: null };
  throw cliErrors.create("SESSION_NOTHING_SINCE", { session, since: new Date(since).toISOString() });
}

/** The turn that published the event. */
function turnOf(event: SeenEvent | undefined): JsonObject | undefined {
  const [, capsule, shard, seq] = /^([^/:]+)\/(\d+):(\d+):\d+$/.exec(event?.source ?? "") ?? [];
  if (capsule === undefined || shard === undefined || seq === undefined) return undefined;
  return { capsule, shard: Number(shard), from: Number(seq) };
}
