/** `vnes session explain`: in sentences, why a session is where it is. */
import type { Argv } from "yargs";
import { explain, sentencesOf } from "../session/explain.ts";
import { findEvents } from "../session/session-events.ts";
import { knownSession, NAMED } from "../session/sessions.ts";
import { harmless } from "../output/text.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

/** Enough to find the last transition and every denial of the last minutes. */
const LIMIT = 200;

export function addSessionExplain(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "explain <session>",
    "Say in sentences why a session is where it is, what was denied, and what comes next",
    (args) => args.positional("session", NAMED),
    async (args) => {
      const { session } = args;
      const explanation = await withNode(shell, args, async (client) => {
        const standing = await knownSession(client, session);
        const { events } = await findEvents(client, { session, limit: LIMIT });
        return explain(session, standing, events, Date.now());
      });
      const shown = sentencesOf(explanation).map(harmless).join("\n");
      shell.output.data("vnes.session.explain.v1", { session, ...explanation }, shown);
    },
  );
}
