/** The machine and the capsule around it against a dumb model of docs/protocol.md: every answer and every state, in random sequences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import {
  type Bound,
  REJECTION_REASONS,
  type SessionEvent,
  SWITCH_WINDOW_MS,
  TRANSITION_REASONS,
} from "@vnes/vpn-common";
import fc from "fast-check";
import { Lab } from "../../test/lab.ts";
import { Node } from "../../test/lab-node.ts";
import { SPECS } from "../../test/specs.ts";
import { birth, lossDeadline, recentSwitches, sessionDeadline, step } from "../src/machine.ts";
import session from "../src/main.ts";
import { type ModelEvent, type ModelPolicy, ModelSession, ModelStore } from "./session-model.ts";

const OWNER = "owner";
const TRIGGERS = [
  "attach",
  "reattach",
  "pathSilent",
  "pathAlive",
  "transportLost",
  "degrade",
  "restore",
  "terminate",
  "sessionClock",
  "lossClock",
] as const;

/** Mostly what a well-behaved party would say, now and then one off; times often around a bound. */
const claim = fc.record({
  trigger: fc.oneof(
    { weight: 4, arbitrary: fc.constant("reattach" as const) },
    { weight: 3, arbitrary: fc.constantFrom(...TRIGGERS.slice(0, 7)) },
    { weight: 1, arbitrary: fc.constantFrom(...TRIGGERS.slice(7)) },
  ),
  isOwner: fc.oneof(
    { weight: 9, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  isBound: fc.oneof(
    { weight: 9, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  epoch: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constantFrom(-1, 1) }),
  version: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, -1) },
    { weight: 1, arbitrary: fc.constant(1) },
  ),
  until: fc.oneof(
    { weight: 20, arbitrary: fc.constant("later" as const) },
    { weight: 3, arbitrary: fc.constantFrom("quiet" as const, "minute" as const) },
    { weight: 1, arbitrary: fc.constant("life" as const) },
  ),
  wait: fc.nat(900),
  /** A reattach over the channel that is bound already, or over another. */
  isSame: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  off: fc.integer({ min: -1, max: 1 }),
});
type Claim = typeof claim extends fc.Arbitrary<infer T> ? T : never;

const policy: fc.Arbitrary<ModelPolicy> = fc.record({
  sessionTtlMs: fc.oneof(
    fc.integer({ min: 1000, max: 20_000 }),
    fc.constantFrom(1000, 300_000, 2_592_000_000),
  ),
  transportLossTtlMs: fc.oneof(
    fc.integer({ min: 100, max: 20_000 }),
    fc.constantFrom(100, 70_000, 86_400_000),
  ),
  maxSwitchesPerMinute: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(1, 600)),
});

/** Most sequences are long: what matters happens to sessions that live. */
const LONG = { maxLength: 80, size: "max" } as const;

/** When the next thing is said: a while later, or one before, at or one after a bound of the model. */
function timeOf({ until, wait, off }: Claim, model: ModelSession, at: number): number {
  const oldest = model.jumps[0];
  const bounds = {
    later: null,
    life: model.endOfLife,
    quiet: model.endOfQuiet,
    minute: oldest === undefined ? null : oldest + SWITCH_WINDOW_MS,
  };
  const due = bounds[until];
  return due === null ? at + wait : Math.max(at, due + off);
}

function eventOf(
  { trigger, isOwner, isBound, isSame, epoch, version }: Claim,
  model: ModelSession,
  fresh: string,
): SessionEvent {
  const channel = isSame ? (model.channel ?? fresh) : fresh;
  const owner = isOwner ? model.owner : "other";
  const bound = isBound ? (model.channel ?? "none") : "elsewhere";
  switch (trigger) {
    case "attach":
      return { trigger, owner, channelId: channel, pathId: "p" };
    case "reattach": {
      const claims = {
        epoch: Math.max(0, model.epoch + epoch),
        version: Math.max(0, model.version + version),
      };
      return { trigger, owner, channelId: channel, pathId: "p", ...claims };
    }
    case "pathSilent":
    case "pathAlive":
    case "transportLost":
      return { trigger, channelId: bound };
    case "terminate":
      return { trigger, cause: isOwner ? "CLIENT_CLOSED" : "OPERATOR_TERMINATED" };
    default:
      return { trigger };
  }
}

const met = (bound: Bound | null): string | null => (bound === null ? null : `${bound.bound} ${bound.value}`);

test("whatever happens and whenever, the machine answers and stands as the protocol says", () => {
  let moves = 0;
  const reasons = new Set<string>();
  fc.assert(
    fc.property(policy, fc.array(claim, LONG), (given, claims) => {
      let at = 1_000_000;
      let real = birth("ses_1", OWNER, given, at);
      const model = new ModelSession(OWNER, given, at);
      claims.forEach((one, index) => {
        at = timeOf(one, model, at);
        const first = model.state === "BIRTH" && one.trigger === "reattach";
        const event = eventOf(first ? { ...one, trigger: "attach" } : one, model, `c${index}`);
        const said = step(real, event, at);
        const expected = model.happen(event, at);
        reasons.add(said.reason);
        assert.deepEqual(
          {
            kind: said.kind,
            reason: said.reason,
            trigger: said.trigger,
            allowedAt: said.kind === "rejected" ? said.allowedAt : null,
            bound: met(said.bound),
            released: said.kind === "moved" ? (said.released?.channelId ?? null) : null,
          },
          expected,
        );
        if (said.bound !== null)
          assert.equal(said.bound.limit, given[said.bound.bound.slice(7) as keyof ModelPolicy]);
        if (said.kind === "moved") {
          moves++;
          real = said.session;
        } else assert.equal(said.state, model.state);
        assert.deepEqual(
          {
            state: real.state,
            version: real.version,
            epoch: real.epoch,
            channel: real.binding?.channelId ?? null,
            life: sessionDeadline(real),
            quiet: lossDeadline(real),
            jumps: recentSwitches(real, at),
            reason: real.reason,
            movedAt: real.changedAt,
          },
          {
            state: model.state,
            version: model.version,
            epoch: model.epoch,
            channel: model.channel,
            life: model.endOfLife,
            quiet: model.endOfQuiet,
            jumps: model.jumpsWithinMinute(at),
            reason: model.reason,
            movedAt: model.movedAt,
          },
        );
      });
    }),
    { numRuns: 10_000 },
  );
  assert.ok(moves > 10_000, `${moves} transitions`);
  // What the store says by itself and what only `create` gives a session are not the machine's to say.
  const others = ["CREATED", "POLICY_TERMINATED", "SESSION_UNKNOWN", "OWNER_HAS_SESSION", "SESSIONS_FULL"];
  const all = [...Object.keys(TRANSITION_REASONS), ...Object.keys(REJECTION_REASONS)];
  const unsaid = all.filter((reason) => !reasons.has(reason) && !others.includes(reason)).sort();
  assert.deepEqual(unsaid, ["ALREADY_ATTACHED", "VERSION_CONFLICT"]);
});

const OWNERS = [1, 2].map((n) => `${String(n).padStart(43, "0")}=`);

const request = fc.record({
  claim,
  who: fc.nat(1),
  /** A fresh nonce, or the one of so many requests ago: 4 are remembered for a session, and 4 of an owner's creations. */
  ago: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 18 }) },
  ),
  isCreate: fc.oneof(
    { weight: 1, arbitrary: fc.constant(true) },
    { weight: 6, arbitrary: fc.constant(false) },
  ),
  expects: fc.constantFrom(null, null, null, -1, 0, 0),
  /** Time goes on before it, and no timer fires. */
  isLate: fc.boolean(),
});

/** The capsule, and time. */
interface World {
  readonly now: number;
  ask(method: string, input: Json): Answer;
  /** Whether the timers that are due by then have fired. */
  pass(ms: number, isLate: boolean): boolean;
}

/** Every input and answer fits its schema, and timers are on time. */
function inLab(seed: number): World {
  const lab = new Lab(seed);
  const node = new Node(lab, "gateway", () => ({ call: () => assert.fail("no driver"), stop: () => {} }));
  node.add(SPECS.session, session, null);
  node.boot();
  return {
    get now() {
      return lab.now;
    },
    ask: (method, input) => node.ask("vpn.session", method, input),
    pass: (ms) => {
      lab.advance(ms);
      return true;
    },
  };
}

/** Timers that are late fire with the next time that passes and is not. */
function inHarness(): World {
  session.reset();
  const node = new CapsuleHarness(session, { at: 1_000_000 });
  node.start();
  return {
    get now() {
      return node.at;
    },
    ask: (method, input) => node.call(`vpn.session.${method}`, input).answer ?? assert.fail(method),
    pass: (ms, isLate) => {
      if (isLate) node.at += ms;
      else node.advance(ms);
      return !isLate;
    },
  };
}

function outcomeOf(answer: JsonObject): JsonObject {
  return { ...answer, bound: met(answer["bound"] as Bound | null) };
}

test("whatever is asked of the capsule, its answers and sessions are those the protocol says, nonces and clocks included (V10, V11)", () => {
  assert.ok(compareAll(inLab) > 20_000);
});

test("the same however late its timers: a clock that is due acts before what meets it, and otherwise when its timer fires (V9)", () => {
  assert.ok(compareAll(inHarness) > 20_000);
});

/** Returns how often the capsule was asked. */
function compareAll(open: (seed: number) => World): number {
  let asked = 0;
  fc.assert(
    fc.property(policy, fc.array(request, LONG), fc.nat(), (given, requests, seed) => {
      const world = open(seed);
      const model = new ModelStore();
      /** Until when the model knows what the timers did. */
      let seen = world.now;
      /** The newest session of each owner. */
      const newest = new Map<string, string>();
      const used = new Map<string, string[]>();
      const call = (method: string, input: Json): JsonObject => {
        asked++;
        // As another capsule asks: a person's rejected request would be an error.
        const answer = world.ask(method, input);
        return (answer.ok ? answer.value : answer.details) as JsonObject;
      };
      const passed = (): void => {
        if (world.now > seen) model.timePasses(world.now, seen);
        seen = world.now;
      };
      requests.forEach(({ claim: one, who, ago, isCreate, expects, isLate }, index) => {
        const owner = OWNERS[who] as string;
        const id = newest.get(owner);
        const known = id === undefined ? undefined : model.sessions.get(id);
        const haveFired = world.pass(
          known === undefined ? one.wait : timeOf(one, known, world.now) - world.now,
          isLate,
        );
        if (haveFired) model.timePasses(world.now, seen);
        seen = world.now;
        const at = world.now;
        const mine = used.get(`${owner} ${isCreate}`) ?? [];
        const again = ago === 0 ? undefined : mine.at(-ago);
        const nonce = again ?? `nonce-${String(index).padStart(4, "0")}`;
        if (again === undefined) used.set(`${owner} ${isCreate}`, [...mine, nonce]);
        if (isCreate || id === undefined || known === undefined) {
          const said = call("create", { owner, nonce, policy: { ...given } });
          const fresh = said["sessionId"] as string;
          const expected = model.create(owner, nonce, given, fresh, at);
          assert.deepEqual(outcomeOf(said), { ...expected });
          if (expected.outcome === "accepted" && !expected.repeated) newest.set(owner, fresh);
        } else {
          const first = known.state === "BIRTH" && one.trigger === "reattach";
          const event = eventOf(first ? { ...one, trigger: "attach" } : one, known, `c${index}`);
          ask(event, id, nonce, owner, at, expects);
        }
        passed();
        compare();
      });

      function ask(
        event: SessionEvent,
        id: string,
        nonce: string,
        owner: string,
        at: number,
        expects: number | null,
      ): void {
        const known = model.sessions.get(id) as ModelSession;
        switch (event.trigger) {
          case "attach":
          case "reattach": {
            const { trigger, ...claims } = event;
            // A stranger is the other owner.
            const asking =
              event.owner === owner ? owner : (OWNERS.find((other) => other !== owner) as string);
            const said = call(trigger, { sessionId: id, nonce, ...claims, owner: asking });
            assert.deepEqual(outcomeOf(said), { ...model.bind(id, nonce, { ...event, owner: asking }, at) });
            return;
          }
          case "sessionClock":
          case "lossClock":
            // Nobody can ask for them: they are the owner's own timers.
            return;
          default: {
            const expected = expects === null ? undefined : known.version + expects;
            const { trigger, ...fields } = event;
            const version = expected === undefined ? {} : { expectedVersion: expected };
            const said = call(trigger, { sessionId: id, ...fields, ...version });
            assert.deepEqual(outcomeOf(said), { ...model.report(id, event as ModelEvent, expected, at) });
          }
        }
      }

      function compare(): void {
        for (const [id, expected] of model.sessions) {
          const { state, reason, version, epoch, binding, ...rest } = call("get", { sessionId: id });
          assert.deepEqual(
            [state, reason, version, epoch, (binding as JsonObject | null)?.["channelId"] ?? null],
            [expected.state, expected.reason, expected.version, expected.epoch, expected.channel],
          );
          const { owner, createdAt, changedAt, sessionExpiresAt, lossExpiresAt } = rest;
          assert.deepEqual(
            [owner, createdAt, changedAt, sessionExpiresAt, lossExpiresAt],
            [expected.owner, expected.bornAt, expected.movedAt, expected.endOfLife, expected.endOfQuiet],
          );
          passed();
        }
      }
    }),
    { numRuns: 400 },
  );
  return asked;
}

test("as many answers are remembered as the protocol says, and not one more", () => {
  const given = { sessionTtlMs: 3_600_000, transportLossTtlMs: 60_000, maxSwitchesPerMinute: 30 };
  for (const requests of [2, 3, 4, 5]) {
    const lab = new Lab(requests);
    const node = new Node(lab, "gateway", () => ({ call: () => assert.fail("no driver"), stop: () => {} }));
    node.add(SPECS.session, session, null);
    node.boot();
    const model = new ModelStore();
    const [owner = ""] = OWNERS;
    const { sessionId } = node.value("vpn.session", "create", { owner, nonce: "nonce-new", policy: given });
    model.create(owner, "nonce-new", given, sessionId as string, lab.now);
    const bind = (nonce: string, trigger: "attach" | "reattach", epoch: number): void => {
      const at = lab.now;
      const claims = trigger === "attach" ? {} : { epoch, version: 1 };
      const event = { owner, channelId: "c", ...claims };
      const said = node.value("vpn.session", trigger, {
        sessionId: sessionId as string,
        nonce,
        pathId: "p",
        ...event,
      });
      const expected = model.bind(sessionId as string, nonce, { trigger, ...event }, at);
      assert.deepEqual(outcomeOf(said), { ...expected }, `${nonce} of ${requests}`);
    };
    bind("nonce-first", "attach", 0);
    for (let n = 1; n <= requests; n++) bind(`nonce-${n + 100}`, "reattach", 9);
    bind("nonce-first", "attach", 0);
  }
});
