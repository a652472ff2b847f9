/** `vnes session explain`: in sentences, why a session is where it is. */
import type { Argv } from "yargs";
import type { ControlClient } from "../control/client.ts";
import { cliErrors } from "../errors.ts";
import { harmless } from "../output/text.ts";
import { type Explanation, explain, sentencesOf } from "../session/explain.ts";
import { object, text } from "../session/fields.ts";
import { wordsOf } from "../session/sentence.ts";
import { findEvents, isOfDecision } from "../session/session-events.ts";
import { assertVpn, clientStatus, endOf } from "../session/sessions.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

/** Enough to find the last transition and every denial of the last minutes. */
const LIMIT = 200;
const CLIENT_TOPIC = "vpn.client.v1";

export function addSessionExplain(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "explain [session]",
    "Say in sentences why a session is where it is, what was denied, and what comes next",
    (args) =>
      args.positional("session", {
        type: "string",
        describe: "Such as ses_...; default that of this node's client",
      }),
    async (args) => {
      const told = await withNode(shell, args, (client) =>
        args.session === undefined ? explainClient(client) : explainNamed(client, args.session),
      );
      const shown = sentencesOf(told.explanation)
        .map((sentence) => {
          const words = harmless(wordsOf(sentence));
          return typeof sentence === "string" ? shell.output.next(words) : words;
        })
        .join("\n");
      const { session, explanation } = told;
      const parts = Object.entries(explanation);
      const words = Object.fromEntries(parts.map(([part, sentences]) => [part, sentences.map(wordsOf)]));
      shell.output.data("vnes.session.explain.v1", { session, ...words }, shown);
    },
  );
}

interface Told {
  readonly session: string | null;
  readonly explanation: Explanation;
}

/** One that is let go of, or was followed by another, is told by its events. */
export async function explainNamed(client: ControlClient, session: string): Promise<Told> {
  const known = await endOf(client, session);
  const { events } = await findEvents(client, { session, limit: LIMIT });
  if (known === null && !events.some(isOfDecision)) throw cliErrors.create("SESSION_NOT_FOUND", { session });
  return {
    session,
    explanation: explain(session, known ?? { role: "past" }, events, await nodeTime(client)),
  };
}

/** What events are told by: a node does not follow when somebody sets the machine's clock. */
async function nodeTime(client: ControlClient): Promise<number> {
  const { now } = (await client.request("status")) as unknown as { readonly now: number };
  return now;
}

/** What this node's client is about, also while it has no session. */
async function explainClient(client: ControlClient): Promise<Told> {
  const status = await clientStatus(client);
  if (status === null) {
    await assertVpn(client);
    const problem = "no client runs on this node, and a gateway keeps the sessions of many: name one";
    throw cliErrors.create("CLI_USAGE", { problem, next: "vnes session list" });
  }
  const session = text(object(status["session"]), "id");
  const { events } = await findEvents(client, { session: session ?? undefined, limit: LIMIT });
  const own = events.filter(
    ({ topic, event }) => topic === CLIENT_TOPIC && text(event, "sessionId") === null,
  );
  const standing = { role: "client", status } as const;
  const now = await nodeTime(client);
  return { session, explanation: explain(session, standing, session === null ? own : events, now) };
}
