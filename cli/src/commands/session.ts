/** `vnes session`: the VPN sessions of a node, asked of the capsules that own them or mirror them. */
import type { Json, JsonObject } from "@vnes/schemas";
import type { Argv } from "yargs";
import { ask } from "../ask.ts";
import type { ControlClient } from "../control/client.ts";
import { duration, fields, instant, table } from "../output/text.ts";
import { text } from "../session/fields.ts";
import {
  assertVpn,
  CLIENT,
  clientStatus,
  endedFor,
  knownSession,
  mirrorOf,
  NAMED,
  SESSION,
  unlessAbsent,
} from "../session/sessions.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

/** The most one answer holds; a gateway with more is asked page by page. */
const PAGE = 200;
/** Pages asked for before the list is cut, and said to be cut. */
const MAX_PAGES = 50;

interface Listed {
  readonly sessions: readonly JsonObject[];
  /** True when there are more than are listed. */
  readonly cut: boolean;
  /** Where the next ones begin, for `vpn.session.list`; null: these are all. */
  readonly next: string | null;
}

export function addSessionList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list",
    "List sessions: a gateway's own, and a client's mirror of its one",
    (args) => args,
    async (args) => {
      const listed = await withNode(shell, args, (client) => listSessions(client));
      const lines = table(listed.sessions, [
        { title: "session", value: (session) => show(session["sessionId"]) },
        { title: "role", value: (session) => show(session["role"]) },
        { title: "state", value: (session) => show(session["state"]) },
        { title: "version", value: (session) => show(session["version"]), align: "right" },
        { title: "epoch", value: (session) => show(session["epoch"]), align: "right" },
        { title: "path", value: (session) => pathOf(session["binding"]) },
      ]);
      if (listed.cut)
        shell.output.say(
          shell.output.next(
            `only the first ${listed.sessions.length} sessions are listed; the next ones: vnes call vpn.session list '${JSON.stringify({ limit: PAGE, after: listed.next })}'`,
          ),
        );
      shell.output.data("vnes.session.list.v1", listed, listed.sessions.length === 0 ? "no sessions" : lines);
    },
  );
}

export function addSessionShow(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "show <session>",
    "Show one session",
    (args) => args.positional("session", NAMED),
    async (args) => {
      const session = await withNode(shell, args, async (client) => {
        const known = await knownSession(client, args.session);
        return known.role === "owner" ? known.view : known.mirror;
      });
      const lines = fields(Object.entries(session).map(([name, value]) => [name, timeOr(name, value)]));
      shell.output.data("vnes.session.show.v1", { session }, lines);
    },
  );
}

export function addSessionTerminate(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "terminate <session>",
    "End a session for good; on a client it is the gateway that is asked to",
    (args) => args.positional("session", NAMED),
    async (args) => {
      const { session } = args;
      const { answer, ended, said } = await withNode(shell, args, (client) => terminate(client, session));
      shell.output.data("vnes.session.terminate.v1", { session, answer, ended }, `${session} ${said}`);
    },
  );
}

interface Terminated {
  readonly answer: Json;
  /** What it had ended for already; null: it lived. */
  readonly ended: string | null;
  /** What became of the session, behind its name. */
  readonly said: string;
}

async function terminate(client: ControlClient, session: string): Promise<Terminated> {
  const known = await knownSession(client, session);
  const ended = endedFor(known);
  // It is as it was asked to be; asking for it again would be a denial in its history.
  if (ended !== null) return { answer: null, ended, said: `had ended already, for ${ended}` };
  if (known.role === "owner") {
    const input = { sessionId: session, cause: "OPERATOR_TERMINATED" };
    return { answer: await ask(client, SESSION, "terminate", input), ended, said: "is terminated" };
  }
  const answer = (await ask(client, CLIENT, "close", {})) as JsonObject;
  const toldOver = text(answer, "toldOver");
  const gateway =
    toldOver === null
      ? "no channel was open to tell the gateway, whose clock ends it there"
      : `the gateway was told over path ${toldOver}`;
  return { answer, ended, said: `has ended here; ${gateway}` };
}

export async function listSessions(client: ControlClient): Promise<Listed> {
  const status = await clientStatus(client);
  const mirror = mirrorOf(status);
  const sessions: JsonObject[] = mirror === null ? [] : [mirror];
  let after = "";
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const input = { limit: PAGE, ...(after === "" ? {} : { after }) };
    const listed = await unlessAbsent(ask(client, SESSION, "list", input));
    if (listed === null) break;
    const { sessions: found, next } = listed as {
      readonly sessions: readonly JsonObject[];
      readonly next: string | null;
    };
    sessions.push(...found.map((session) => ({ ...session, role: "owner" })));
    if (next === null) break;
    if (page === MAX_PAGES - 1) return { sessions, cut: true, next };
    after = next;
  }
  // A client that has no session yet has an empty list; a node without VPN says which capability it lacks.
  if (status === null && sessions.length === 0) await assertVpn(client);
  return { sessions, cut: false, next: null };
}

function show(value: Json | undefined): string {
  if (value === undefined || value === null) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function pathOf(binding: Json | undefined): string {
  return typeof binding === "object" && binding !== null ? show((binding as JsonObject)["pathId"]) : "-";
}

function timeOr(name: string, value: Json): string {
  if (typeof value === "number" && name.endsWith("At") && value > 1e12) return instant(value);
  if (typeof value === "number" && name.endsWith("Ms")) return duration(value);
  return show(value);
}
