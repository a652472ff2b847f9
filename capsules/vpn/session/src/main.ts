/** `vpn.session`: the sole owner of sessions. Nothing else in the system changes one. */
import { type CallInfo, capsule, type Json, type Refusal, refuse, type Turn } from "@vnes/sdk";
import { onDenialsDue, type Outcome, type State } from "@vnes/vpn-common";
import { onClock } from "./apply.ts";
import { parseConfig, saveConfig } from "./config.ts";
import { counters } from "./counters.ts";
import { decided } from "./denials.ts";
import { describe, type SessionErrorCode } from "./errors.ts";
import * as reports from "./reports.ts";
import * as requests from "./requests.ts";
import { behindPlace } from "./places.ts";
import { loadSession, sessionAt, sessionsAfter } from "./store.ts";
import { viewOf } from "./view.ts";

const LIST_DEFAULT = 50;

type ListInput = { readonly after?: string; readonly limit?: number; readonly state?: State };

/** Inputs are cast, not parsed: the kernel has checked them against `spec/schema.json`. */
function named(input: Json): string {
  return (input as unknown as { readonly sessionId: string }).sessionId;
}

/** A page is what is found in `limit` places, so with a filter, or where sessions have gone, it may be short of it, or empty. */
function list(turn: Turn, { after = "", limit = LIST_DEFAULT, state }: ListInput): Json {
  const { sessions, last } = sessionsAfter(turn.keys, after, limit);
  const page = sessions.filter((one) => state === undefined || one.state === state);
  const next = last === undefined ? null : behindPlace(last);
  return { sessions: page.map((one) => viewOf(one, turn.at)), next, counters: counters(turn.keys) };
}

function unknown(sessionId: string): Refusal {
  return refuse("SESSION_UNKNOWN", describe("SESSION_UNKNOWN", { sessionId }), { sessionId });
}

/** A person's request that changed nothing is an error to them; a gateway reads the outcome. */
function forPeople(outcome: Outcome, caller: string, sessionId: string): Json | Refusal {
  if (caller !== "control" || outcome.outcome === "accepted") return outcome;
  const code = outcome.outcome === "terminated" ? "SESSION_TERMINATED" : (outcome.reason as SessionErrorCode);
  const { bound: _bound, ...told } = outcome;
  return refuse(code, describe(code, { ...told, sessionId }), { ...outcome, sessionId });
}

function onReport(report: (turn: Turn, input: reports.ChannelReport) => Outcome) {
  return (turn: Turn, input: Json, { caller }: CallInfo): Json =>
    decided(turn, input, caller, () => report(turn, input as unknown as reports.ChannelReport));
}

export default capsule({
  start: (turn, config) => saveConfig(turn.keys, parseConfig(config)),
  calls: {
    "vpn.session.create": (turn, input, { caller }) =>
      decided(turn, input, caller, () => requests.create(turn, input as unknown as requests.CreateInput)),
    "vpn.session.attach": (turn, input, { caller }) =>
      decided(turn, input, caller, () => requests.attach(turn, input as unknown as requests.AttachInput)),
    "vpn.session.reattach": (turn, input, { caller }) =>
      decided(turn, input, caller, () => requests.reattach(turn, input as unknown as requests.ReattachInput)),
    "vpn.session.pathSilent": onReport(reports.pathSilent),
    "vpn.session.pathAlive": onReport(reports.pathAlive),
    "vpn.session.transportLost": onReport(reports.transportLost),
    "vpn.session.degrade": (turn, input, { caller }) =>
      forPeople(
        decided(turn, input, caller, () => reports.degrade(turn, input as unknown as reports.PolicyReport)),
        caller,
        named(input),
      ),
    "vpn.session.restore": (turn, input, { caller }) =>
      forPeople(
        decided(turn, input, caller, () => reports.restore(turn, input as unknown as reports.PolicyReport)),
        caller,
        named(input),
      ),
    "vpn.session.terminate": (turn, input, { caller }) => {
      const outcome = decided(turn, input, caller, () =>
        reports.terminate(turn, input as unknown as reports.TerminateInput, caller),
      );
      return outcome.outcome === "terminated" ? outcome : forPeople(outcome, caller, named(input));
    },
    "vpn.session.get": (turn, input) => {
      const sessionId = named(input);
      const session = loadSession(turn.keys, sessionId);
      return session === undefined ? unknown(sessionId) : viewOf(session, turn.at);
    },
    "vpn.session.list": (turn, input) => list(turn, input as unknown as ListInput),
  },
  timers: {
    clock: (turn, _payload, id) => {
      const session = sessionAt(turn.keys, Number(id.slice(id.indexOf(":") + 1)));
      if (session !== undefined && session.state !== "TERMINATED") onClock(turn, session);
    },
    denials: onDenialsDue,
  },
});
