/** `vnes session jump`: a person moves a session to another path, from the client's node, and hears what came of it. */
import type { EventPage } from "@vnes/kernel";
import type { Answer, JsonObject } from "@vnes/schemas";
import type { Argv } from "yargs";
import { CALL_TIMEOUT_MS } from "../control/bounds.ts";
import type { ControlClient } from "../control/client.ts";
import { cliErrors } from "../errors.ts";
import { number, object, text } from "../session/fields.ts";
import { openTopics, type SeenEvent, seenEvent } from "../session/session-events.ts";
import { CLIENT, endedFor, knownSession, NAMED } from "../session/sessions.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

const CLIENT_TOPIC = "vpn.client.v1";
/** An attempt ends by its own bounds long before: opening, and four questions. */
const TIMEOUT_S = 10;
const MAX_TIMEOUT_S = 120;
const WAIT_MS = 1_000;
const PAGE = 64;

export function addSessionJump(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "jump <session> [path]",
    "Move a session to another path, on its client's node",
    (args) =>
      args
        .positional("session", NAMED)
        .positional("path", { type: "string", describe: "A candidate; default the best of the others" })
        .option("timeout", {
          type: "number",
          default: TIMEOUT_S,
          requiresArg: true,
          describe: `Seconds to wait for the outcome, 1 to ${MAX_TIMEOUT_S}`,
        }),
    async (args) => {
      const { session, path } = args;
      const timeoutMs = parseTimeout(args.timeout);
      const jumped = await withNode(shell, args, async (client) => {
        const known = await knownSession(client, session);
        const reason = endedFor(known);
        if (reason !== null) throw cliErrors.create("SESSION_ENDED", { session, reason });
        const words = path === undefined ? session : `${session} ${path}`;
        if (known.role === "owner") throw cliErrors.create("SESSION_JUMP_ELSEWHERE", { session, words });
        const last = (await openTopics(client)).find(({ topic }) => topic === CLIENT_TOPIC)?.lastSeqs[0] ?? 0;
        const pathId = await askJump(client, session, path);
        return await outcomeOf(client, { session, pathId, after: last, timeoutMs });
      });
      const { version, epoch, from, to, ms } = jumped;
      const line = `${session} jumped ${from ?? "?"} -> ${to}${ms === null ? "" : ` in ${ms} ms`}: version ${version}, epoch ${epoch}`;
      shell.output.data("vnes.session.jump.v1", { session, ...jumped }, line);
    },
  );
}

function parseTimeout(seconds: number): number {
  if (seconds >= 1 && seconds <= MAX_TIMEOUT_S) return Math.round(seconds * 1000);
  const problem = `--timeout takes seconds from 1 to ${MAX_TIMEOUT_S}`;
  throw cliErrors.create("CLI_USAGE", { problem, next: "vnes session jump --help" });
}

/** The path that is tried. */
async function askJump(client: ControlClient, session: string, path: string | undefined): Promise<string> {
  const params: JsonObject = {
    capability: CLIENT,
    method: "jump",
    input: path === undefined ? {} : { pathId: path },
    timeout_ms: CALL_TIMEOUT_MS,
  };
  const answer = (await client.request("call", params)) as unknown as Answer;
  if (answer.ok) return text(object(answer.value), "pathId") ?? path ?? "?";
  const { code, message, details } = answer;
  // The client's own codes: what it says of itself is the reason.
  if (code === "CLIENT_PATH_UNKNOWN")
    throw cliErrors.create("SESSION_JUMP_PATH_UNKNOWN", { session, reason: message });
  const told = object(details ?? null);
  const reason = text(told, "reason") ?? code;
  throw cliErrors.create("SESSION_JUMP_REFUSED", {
    session,
    reason,
    problem: problemOf(told, reason, message),
  });
}

/** Why, in words first, then the reason's code and how long it holds. */
function problemOf(told: JsonObject | null, reason: string, message: string): string {
  const why = (text(told, "why") ?? message).replace(`${reason}: `, "");
  const retryAfterMs = number(told, "retryAfterMs");
  return `${why} (${reason}${retryAfterMs === null ? "" : `; allowed in ${retryAfterMs} ms`})`;
}

interface Jumped {
  readonly from: string | null;
  readonly to: string;
  readonly version: number;
  readonly epoch: number;
  /** From the attempt's beginning. */
  readonly ms: number | null;
}

interface Jump {
  readonly session: string;
  readonly pathId: string;
  /** Seq of the last event before the jump. */
  readonly after: number;
  readonly timeoutMs: number;
}

async function outcomeOf(
  client: ControlClient,
  { session, pathId, after, timeoutMs }: Jump,
): Promise<Jumped> {
  const giveUpAt = Date.now() + timeoutMs;
  for (let from = after + 1; ; ) {
    const left = giveUpAt - Date.now();
    if (left <= 0) throw cliErrors.create("SESSION_JUMP_TIMEOUT", { session, path: pathId, ms: timeoutMs });
    const place = { topic: CLIENT_TOPIC, partition: 0, from: { seq: from } };
    const params = { ...place, limit: PAGE, wait_ms: Math.ceil(Math.min(WAIT_MS, left)) };
    const page = (await client.request("topic.read", params)) as unknown as EventPage;
    for (const kept of page.events) {
      const jumped = judged(seenEvent(CLIENT_TOPIC, kept), session, pathId);
      if (jumped !== undefined) return jumped;
    }
    from = page.next;
  }
}

/** Undefined for an event that says nothing of how the jump went. */
function judged({ event }: SeenEvent, session: string, pathId: string): Jumped | undefined {
  const [kind, path, reason] = [text(event, "event"), text(event, "pathId"), text(event, "reason") ?? "?"];
  const evidence = object(event["evidence"]);
  if (kind === "switched" && path === pathId) {
    return {
      from: text(event, "fromPathId"),
      to: pathId,
      version: number(event, "version") ?? 0,
      epoch: number(event, "epoch") ?? 0,
      ms: number(evidence, "attemptMs"),
    };
  }
  const isOver = kind === "ended" || (kind === "denied" && path === pathId);
  if (!isOver) return undefined;
  throw cliErrors.create("SESSION_JUMP_FAILED", {
    session,
    path: pathId,
    reason: text(evidence, "cause") ?? reason,
  });
}
