/** `vnes session history`: what happened to a session, from the events that this node keeps of it. */
import { parseInstant } from "@vnes/schemas";
import type { Argv } from "yargs";
import { cliErrors } from "../errors.ts";
import { eventLine } from "../session/event-line.ts";
import { findEvents } from "../session/session-events.ts";
import { knownSession, NAMED } from "../session/sessions.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

const LIMIT = 100;
const MAX_LIMIT = 10_000;

export function addSessionHistory(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "history <session>",
    "Show what happened to a session, oldest first: every transition, switch and denial",
    (args) =>
      args
        .positional("session", NAMED)
        .option("limit", {
          type: "number",
          default: LIMIT,
          requiresArg: true,
          describe: `The newest so many, 1 to ${MAX_LIMIT}`,
        })
        .option("since", {
          type: "string",
          requiresArg: true,
          describe: "Only from this time on, such as 2026-01-31T12:00:00Z",
        }),
    async (args) => {
      const { session } = args;
      const limit = parseLimit(args.limit);
      const since = args.since === undefined ? {} : { since: parseSince(args.since, "history") };
      const { events, cut } = await withNode(shell, args, async (client) => {
        const found = await findEvents(client, { session, limit, ...since });
        // Events outlive a session that was let go of; without any, the node says whether it knows the session.
        if (found.events.length === 0) await knownSession(client, session);
        return found;
      });
      if (cut) shell.output.say(shell.output.next(olderOnes(events.length, limit)));
      const text = events.map((event) => eventLine(event, true)).join("\n");
      const data = { session, events, cut };
      shell.output.data("vnes.session.history.v1", data, text === "" ? "no events" : text);
    },
  );
}

/** How older events are come to, where `shown` of at most `limit` are shown: a larger limit finds none beyond those that are looked at. */
export function olderOnes(shown: number, limit: number): string {
  if (shown >= limit && limit < MAX_LIMIT)
    return `there are older ones: --limit ${Math.min(MAX_LIMIT, limit * 4)}`;
  return "older events were not looked at; all that are kept: vnes topic tail vpn.session.v1 --from 1";
}

function parseLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  const problem = `--limit takes a whole number from 1 to ${MAX_LIMIT}`;
  throw cliErrors.create("CLI_USAGE", { problem, next: "vnes session history --help" });
}

export function parseSince(text: string, command: string): number {
  const since = parseInstant(text);
  if (since !== undefined) return since;
  const problem = `--since takes a time such as 2026-01-31T12:00:00Z, not ${text}`;
  throw cliErrors.create("CLI_USAGE", { problem, next: `vnes session ${command} --help` });
}
