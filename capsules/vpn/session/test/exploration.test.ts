/**
 * Every event in every reachable state, to a depth, against the invariants and the dumb model: right and wrong channel, owner, epoch and version one off, and times
 * one before, at and one after each bound. States are told apart by what decides their future alone (`shapeOf`), so the
 * depth counts steps that lead somewhere new, not names and clock readings that differ and mean the same.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertSession,
  BINDINGS,
  REJECTION_REASONS,
  type Session,
  type SessionEvent,
  type SessionPolicy,
  type State,
  type Step,
  SWITCH_WINDOW_MS,
  TRANSITION_REASONS,
} from "@vnes/vpn-common";
import { birth, lossDeadline, recentSwitches, sessionDeadline, step, TRANSITIONS } from "../src/machine.ts";
import { ModelSession } from "./session-model.ts";

const OWNER = "owner";
const STATES = Object.keys(BINDINGS) as State[];

const CAUSES = ["CLIENT_CLOSED", "OPERATOR_TERMINATED", "POLICY_TERMINATED"] as const;

/** Which clock ends a session first, and whether a switch leaves the window before, depends on the policy. */
const POLICIES: readonly SessionPolicy[] = [
  { sessionTtlMs: 5000, transportLossTtlMs: 1000, maxSwitchesPerMinute: 2 },
  { sessionTtlMs: 1000, transportLossTtlMs: 5000, maxSwitchesPerMinute: 1 },
  { sessionTtlMs: 1000, transportLossTtlMs: 1000, maxSwitchesPerMinute: 2 },
  { sessionTtlMs: 150_000, transportLossTtlMs: 70_000, maxSwitchesPerMinute: 1 },
  { sessionTtlMs: 150_000, transportLossTtlMs: 20_000, maxSwitchesPerMinute: 2 },
];

function eventsFor(session: Session): readonly SessionEvent[] {
  const bound = session.binding?.channelId ?? "none";
  const to = { channelId: "next", pathId: "p" };
  const claim = { trigger: "reattach", owner: OWNER, ...to } as const;
  const claims: SessionEvent[] = [];
  for (const epoch of [-1, 0, 1]) {
    for (const version of [-1, 0, 1]) {
      for (const owner of [OWNER, "other"]) {
        claims.push({ ...claim, owner, epoch: session.epoch + epoch, version: session.version + version });
      }
    }
  }
  return [
    { trigger: "attach", owner: OWNER, ...to },
    { trigger: "attach", owner: "other", ...to },
    ...claims,
    { ...claim, channelId: bound, epoch: session.epoch, version: session.version },
    { trigger: "pathSilent", channelId: bound },
    { trigger: "pathSilent", channelId: "elsewhere" },
    { trigger: "pathAlive", channelId: bound },
    { trigger: "pathAlive", channelId: "elsewhere" },
    { trigger: "transportLost", channelId: bound },
    { trigger: "transportLost", channelId: "elsewhere" },
    { trigger: "degrade" },
    { trigger: "restore" },
    ...CAUSES.map((cause) => ({ trigger: "terminate" as const, cause })),
    { trigger: "sessionClock" },
    { trigger: "lossClock" },
  ];
}

/** At once, and one before, at and one after everything that will happen by time alone. */
function waitsFrom(session: Session, at: number): readonly number[] {
  if (session.state === "TERMINATED") return [0];
  const bounds = [
    sessionDeadline(session),
    lossDeadline(session) ?? at,
    ...session.switches.map((switchedAt) => switchedAt + SWITCH_WINDOW_MS),
  ];
  const waits = bounds.flatMap((due) => [due - 1 - at, due - at, due + 1 - at]);
  return [...new Set([0, ...waits])].filter((wait) => wait >= 0);
}

/** What decides the future of a session, with times as distances to what they lead to: two alike in this behave alike. */
function shapeOf(session: Session, at: number): string {
  if (session.state === "TERMINATED") return `TERMINATED ${session.reason}`;
  const loss = lossDeadline(session);
  const switches = recentSwitches(session, at).map((switchedAt) => switchedAt + SWITCH_WINDOW_MS - at);
  return `${session.state} ${sessionDeadline(session) - at} ${loss === null ? "-" : loss - at} ${switches.join()}`;
}

/** What came of it, without names and clock readings; `then` is the shape it left. */
function meaningOf({ kind, reason, trigger, bound }: Step, then: string): string {
  const met = bound === null ? "-" : `${bound.bound} ${bound.value}`;
  return `${kind} ${reason} ${trigger} ${met} ${then}`;
}

function check(before: Session, event: SessionEvent, at: number, result: Step): void {
  assert.ok(Object.hasOwn(kindOf(result), result.reason), result.reason);
  if (result.kind === "rejected") {
    // What a caller is told: where it stands, what was asked or was due before it, and why.
    assert.equal(result.state, before.state);
    const clock = result.trigger === "sessionClock" || result.trigger === "lossClock";
    assert.ok(result.trigger === event.trigger || clock);
    return;
  }
  const { session } = result;
  // V1, V4, V6 and V7 of the session; V2 to V5 and V9 of the step are checked here once more, without the machine's help.
  assertSession(session);
  assert.notEqual(before.state, "TERMINATED", "V2");
  assert.ok(
    session.id === before.id && session.owner === OWNER && session.createdAt === before.createdAt,
    "V3",
  );
  assert.equal(session.version, before.version + 1, "V4");
  const isBind = result.reason === "ATTACHED_FIRST" || result.reason === "REATTACHED";
  assert.equal(session.epoch, before.epoch + (isBind ? 1 : 0), "V5");
  assert.equal(session.reason, result.reason, "V9");
  if (result.trigger === "transportLost") assert.equal(session.state, "RECOVERING", "V8");
  if (session.state !== "TERMINATED") {
    assert.ok(
      at < sessionDeadline(session) && at < (lossDeadline(session) ?? Number.POSITIVE_INFINITY),
      "V9",
    );
  }
}

/** The dumb model says the same of the same state. */
function compare(before: Session, event: SessionEvent, at: number, result: Step): void {
  const model = new ModelSession(before.owner, before.policy, before.createdAt);
  model.state = before.state;
  model.version = before.version;
  model.epoch = before.epoch;
  model.channel = before.binding?.channelId ?? null;
  model.quietSince = before.lossSince;
  model.jumps = [...before.switches];
  const said = model.happen(event, at);
  const now = result.kind === "moved" ? result.session : before;
  const bound = result.bound === null ? null : `${result.bound.bound} ${result.bound.value}`;
  const isSame =
    said.kind === result.kind &&
    said.reason === result.reason &&
    said.trigger === result.trigger &&
    said.bound === bound &&
    model.state === now.state &&
    model.version === now.version &&
    model.epoch === now.epoch &&
    model.channel === (now.binding?.channelId ?? null) &&
    model.quietSince === now.lossSince;
  if (!isSame) assert.deepEqual(said, result, JSON.stringify({ before, event, at }));
}

function kindOf({ kind }: Step): object {
  return kind === "moved" ? TRANSITION_REASONS : REJECTION_REASONS;
}

/** In place a change would throw: test files are modules, and modules are strict. */
function frozen(session: Session): Session {
  Object.freeze(session.binding);
  Object.freeze(session.switches);
  return Object.freeze(session);
}

interface Explored {
  states: number;
  steps: number;
  /** States met a second time by another way and found to behave as the first did. */
  compared: number;
  readonly taken: Set<string>;
  readonly rejected: Set<string>;
}

function explore(policy: SessionPolicy, depth: number, explored: Explored): void {
  const first = { session: frozen(birth("ses_1", OWNER, policy, 1_000_000)), at: 1_000_000 };
  const met = new Map([[shapeOf(first.session, first.at), 1]]);
  const meanings = new Map<string, string>();
  let frontier = [first];
  for (let level = 0; level < depth && frontier.length > 0; level++) {
    const next: typeof frontier = [];
    for (const { session, at } of frontier) {
      const own = shapeOf(session, at);
      const said: string[] = [];
      for (const wait of waitsFrom(session, at)) {
        const now = at + wait;
        for (const event of eventsFor(session)) {
          const result = step(session, event, now);
          explored.steps++;
          check(session, event, now, result);
          compare(session, event, now, result);
          const row = `${result.trigger} ${session.state} ${result.reason}`;
          if (result.kind === "rejected") {
            said.push(meaningOf(result, own));
            explored.rejected.add(row);
            continue;
          }
          const shape = shapeOf(result.session, now);
          said.push(meaningOf(result, shape));
          explored.taken.add(row);
          const times = met.get(shape) ?? 0;
          met.set(shape, times + 1);
          // Some once more, by the second way, to see that the shape says all that matters.
          const again = times === 1 && met.size % COMPARED_OF === 0;
          if (times === 0 || again) next.push({ session: frozen(result.session), at: now });
        }
      }
      const before = meanings.get(own);
      const meaning = said.join();
      if (before === undefined) meanings.set(own, meaning);
      else {
        assert.equal(meaning, before, `two sessions alike in ${own} behave differently`);
        explored.compared++;
      }
    }
    frontier = next;
  }
  explored.states += meanings.size;
}

const DEPTH = 6;
/** Of the states met a second time. */
const COMPARED_OF = 10;

test(`every event at every bound in every reachable state to depth ${DEPTH} keeps V1 to V9, and a rejection changes nothing (V12)`, (t) => {
  const explored: Explored = { states: 0, steps: 0, compared: 0, taken: new Set(), rejected: new Set() };
  for (const policy of POLICIES) explore(policy, DEPTH, explored);
  const { states, steps, compared, taken, rejected } = explored;
  t.diagnostic(`${states} states, ${steps} steps, ${compared} states compared with their like`);
  assert.ok(
    states > 3000 && steps > 1_000_000 && compared > 100,
    `${states} states, ${steps} steps, ${compared} compared`,
  );
  const rows = TRANSITIONS.flatMap((row) =>
    row.from.flatMap((from) =>
      row.reason === "cause"
        ? CAUSES.map((reason) => `${row.trigger} ${from} ${reason}`)
        : [`${row.trigger} ${from} ${row.reason}`],
    ),
  );
  assert.deepEqual([...taken].sort(), rows.sort(), "every row of the table was taken, and nothing else");
  // Where a trigger has no row it is refused as illegal, in an ended session as ended; nothing is passed over in silence.
  const triggers = new Set(TRANSITIONS.map((row) => row.trigger));
  for (const state of STATES) {
    for (const trigger of triggers) {
      const isLegal = TRANSITIONS.some((row) => row.trigger === trigger && row.from.includes(state));
      const reason = state === "TERMINATED" ? "SESSION_TERMINATED" : "TRANSITION_ILLEGAL";
      assert.equal(rejected.has(`${trigger} ${state} ${reason}`), !isLegal, `${trigger} in ${state}`);
    }
  }
});
