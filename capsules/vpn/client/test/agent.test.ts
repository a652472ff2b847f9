/** The client's agent alone: what it may never do, whatever it hears and in whatever order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/sdk";
import { gatewayFrames, MAX_NAMES } from "@vnes/vpn-common";
import fc from "fast-check";
import { NEW_AGENT, step } from "../src/agent.ts";
import { type ClientConfig, parseConfig } from "../src/config.ts";
import { NEW_HEALTH } from "../src/draft.ts";
import { STABILITY_MS } from "../src/paths.ts";
import { nextPath, rank } from "../src/ranking.ts";
import type { Agent, Asked, Heard, Ranking, TimerName } from "../src/vocabulary.ts";

const GATEWAY = `${"A".repeat(43)}=`;
const CANDIDATES = ["b", "a", "c"].map((pathId, index) => ({
  pathId,
  peer: pathId,
  kind: "udp" as const,
  address: "127.0.0.1",
  port: 4000 + index,
  priority: pathId === "c" ? 20 : 10,
}));
const POLICY = { cooldownMs: 500, maxSwitchesPerMinute: 3, recoveryMs: 4000, retryMs: 100 };
const CONFIG = parseConfig({ gateway: GATEWAY, candidates: CANDIDATES, policy: POLICY });
const RESTLESS = { ...POLICY, watchMs: 200, probeMs: 200, belowPings: 1, ofPings: 2, maxLossPercent: 5 };
const CONFIGS = [
  CONFIG,
  ...[0, 1].map((standbys) =>
    parseConfig({ gateway: GATEWAY, candidates: CANDIDATES, policy: { ...RESTLESS, standbys } }),
  ),
];
const HOUR_MS = 3_600_000;

test("candidates are ranked by priority, then cost, then id, each place with its reason; the path in trouble comes last", () => {
  const at = 1_000_000;
  const failed = { ...NEW_HEALTH, failedAt: [at - 2, at - 1], lastFailure: "NO_ANSWER" };
  const order = (paths: Parameters<typeof rank>[1]): readonly (readonly unknown[])[] =>
    rank(CANDIDATES, paths, at).map(({ pathId, decidedBy }) => [
      pathId,
      decidedBy?.criterion,
      decidedBy?.value,
      decidedBy?.next,
    ]);
  const last = ["c", undefined, undefined, undefined];
  assert.deepEqual(order({}), [["a", "id", "a", "b"], ["b", "priority", 10, 20], last]);
  assert.deepEqual(order({ a: failed }), [["b", "stability", 0, 2], ["a", "priority", 10, 20], last]);
  const longAgo = { ...failed, failedAt: [at - STABILITY_MS] };
  assert.deepEqual(order({ a: longAgo }), order({}), "what failed long ago does not count");
  const near = { b: { ...NEW_HEALTH, latencyMs: 12.5 } };
  assert.deepEqual(order(near), [["b", "latency", 12.5, 200], ["a", "priority", 10, 20], last]);
  const lossy = { a: { ...NEW_HEALTH, lossPercent: 25, latencyMs: 100 } };
  assert.deepEqual(order(lossy), [["b", "loss", 0, 25], ["a", "priority", 10, 20], last]);
  const paths = ["a", "b", "c"];
  const held =
    (...ids: string[]) =>
    (pathId: string) =>
      ids.includes(pathId);
  assert.equal(nextPath(paths, [], "a", held()), "b");
  assert.equal(nextPath(paths, ["b", "c"], "a", held()), "a");
  assert.equal(nextPath(paths, ["a", "b", "c"], "a", held()), undefined);
  assert.equal(nextPath(paths, [], "a", held("b")), "c");
  assert.equal(nextPath(paths, ["c"], "a", held("b")), "a");
  assert.equal(nextPath(paths, ["c"], "a", held("a", "b")), "b");
});

/** A ranking with the candidates in the order that `other` says. */
function rankingBy(other: number): Pick<Ranking, "places" | "geometry"> {
  const turned = CANDIDATES.map((_, index) => CANDIDATES[(index + other) % CANDIDATES.length]);
  const places = turned.map((one) => ({ pathId: one?.pathId ?? "", decidedBy: null }));
  return { places, geometry: null };
}

/** As without routing: the client ranks by itself at once. */
function alone(
  agent: Agent,
  asked: readonly Asked[],
  hear: (heard: Heard) => readonly Asked[],
): readonly Asked[] {
  const { asking } = agent;
  if (asking === null) return asked;
  return [
    ...asked,
    ...hear({ heard: "rankFailed", request: asking.request, code: "CALL_CAPABILITY_UNAVAILABLE" }),
  ];
}

/** What is heard next when all goes well. */
function fittingFor(agent: Agent, n: number): Heard {
  const { attempt, session, probe, check } = agent;
  const at = { version: (session?.version ?? 1) + 1, epoch: (session?.epoch ?? 0) + 1 };
  const sessionId = session?.id ?? "ses_first000000";
  const opening = attempt ?? probe;
  if (attempt?.stage === "opening" || (opening !== null && opening === probe && probe.check === null))
    return { heard: "opened", attempt: opening?.id ?? 0, channelId: `chn_${agent.attempts}_fit_${n}` };
  if (attempt !== null && attempt.channelId !== null) {
    const frame = { type: "accepted", nonce: attempt.nonce, reason: "R", sessionId, ...at } as const;
    return { heard: "frame", channelId: attempt.channelId, frame };
  }
  const asked = probe?.check ?? check;
  const nonce = asked?.pings.at(n % 2 === 0 ? -1 : 0)?.nonce;
  if (!asked || nonce === undefined) return { heard: "timer", timer: n % 2 === 0 ? "probe" : "watch" };
  const { epoch, version } = session ?? at;
  const frame = { type: "pong", nonce, sessionId, version, epoch, state: "ATTACHED" } as const;
  return { heard: "frame", channelId: asked.channelId, frame: { ...frame, bound: asked === check } };
}

/** What may be heard at a moment: the fitting things more often than not, and the unfitting ones too. */
function heardBy(agent: Agent, pick: number, other: number): Heard {
  const { attempt, active, session, probe, standby, check } = agent;
  const channels = [attempt, active, probe?.check, standby, { channelId: "chn_other" }];
  const channelId = channels[other % channels.length]?.channelId ?? `chn_${other}`;
  const nonce = attempt?.nonce ?? "non_nothing";
  const asking = channelId === probe?.check?.channelId ? probe.check : check;
  const pinged = asking?.pings[other % 7]?.nonce ?? asking?.pings.at(-1)?.nonce ?? nonce;
  const id = other % 7 === 0 ? "ses_another0000" : (session?.id ?? "ses_first000000");
  const epoch = (session?.epoch ?? 0) + (other % 3);
  const version = (session?.version ?? 0) + (other % 4);
  const REASONS = [
    "EPOCH_STALE",
    "BOUND_ELSEWHERE",
    "SWITCH_RATE_EXCEEDED",
    "GATEWAY_BUSY",
    "RATE_LIMITED",
    "GATEWAY_OVERLOADED",
    "X",
  ];
  const reason = REASONS[other % REASONS.length] as string;
  const timers: TimerName[] = ["attempt", "retry", "recovery", "watch", "renew", "ping", "probe"];
  const asked = attempt?.id ?? probe?.id ?? 0;
  const table: Heard[] = [
    { heard: "opened", attempt: asked, channelId: `chn_${agent.attempts}_${other}` },
    { heard: "opened", attempt: asked - 1, channelId: `chn_old_${other}` },
    { heard: "openFailed", attempt: asked, code: "TRANSPORT_OPEN_TIMEOUT" },
    { heard: "sendFailed", attempt: asked, code: other % 2 ? "CALL_TIMEOUT" : "TRANSPORT_CHANNEL_UNKNOWN" },
    {
      heard: "frame",
      channelId,
      frame: { type: "accepted", nonce, reason: "R", sessionId: id, epoch, version },
    },
    {
      heard: "frame",
      channelId,
      frame: { type: "accepted", nonce, reason: "R", sessionId: id, epoch, version },
    },
    {
      heard: "frame",
      channelId,
      frame: {
        type: "rejected",
        nonce,
        reason,
        sessionId: id,
        epoch,
        version,
        retryAfterMs: other,
        bound: null,
      },
    },
    { heard: "pathSilent", channelId, silentMs: 200 },
    { heard: "pathAlive", channelId },
    { heard: "channelClosed", channelId, reason: "RESET" },
    { heard: "channelOpened", channelId },
    { heard: "listed", askedAt: 1e9, channels: other % 2 ? [] : [{ channelId, silent: other % 4 === 0 }] },
    { heard: "timer", timer: timers[other % timers.length] as TimerName },
    { heard: "setActiveFailed", channelId, code: "TRANSPORT_CHANNEL_UNKNOWN" },
    { heard: "started" },
    { heard: "ranked", request: agent.requests - (other % 2), ranking: rankingBy(other) },
    { heard: "rankFailed", request: agent.requests, code: "CALL_TIMEOUT" },
    {
      heard: "frame",
      channelId,
      frame: {
        type: "pong",
        nonce: pinged,
        sessionId: id,
        version,
        epoch,
        state: "ATTACHED",
        bound: other % 9 !== 0,
      },
    },
    { heard: "pathRefused", channelId, code: "ENETUNREACH" },
    { heard: "addressesChanged", gone: ["10.0.0.1"], came: [] },
    { heard: "transportStarted" },
    { heard: "jumpAsked", pathId: CANDIDATES[other % 3]?.pathId ?? "a" },
    other % 10 === 0 ? { heard: "closeAsked" } : { heard: "timer", timer: "probe" },
    {
      heard: "frame",
      channelId,
      frame: {
        type: "rejected",
        nonce: pinged,
        reason: other % 2 ? "SESSION_UNKNOWN" : "RATE_LIMITED",
        sessionId: null,
        epoch: 0,
        version: 0,
        retryAfterMs: null,
        bound: null,
      },
    },
    ...Array.from({ length: 24 }, () => fittingFor(agent, other)),
  ];
  return table[pick % table.length] as Heard;
}

test("whatever is heard: the identity stays, the mirror never goes back, switches stay bounded, nothing waits forever, no channel is left open (CL1 to CL7)", () => {
  // Now and then the machine sleeps for an hour.
  const wait = fc.oneof(
    { weight: 30, arbitrary: fc.nat(400) },
    { weight: 1, arbitrary: fc.constant(HOUR_MS) },
  );
  const moment = fc.tuple(fc.nat(47), fc.nat(20), wait);
  const config = fc.constantFrom(...CONFIGS);
  fc.assert(
    fc.property(config, fc.array(moment, { maxLength: 120 }), (config, moments) => {
      let agent: Agent = NEW_AGENT;
      let at = 1000;
      const timers = new Map<TimerName, number>();
      const accepted: number[] = [];
      const open = new Set<string>();
      let n = 0;
      const hear = (heard: Heard): readonly Asked[] => {
        const before = agent;
        const frozen = JSON.stringify(before);
        if (heard.heard === "timer") timers.delete(heard.timer);
        if (heard.heard === "opened") open.add(heard.channelId);
        if (heard.heard === "channelClosed") open.delete(heard.channelId);
        const next = step(agent, heard, config, at, `non_${n++}`);
        assert.equal(JSON.stringify(before), frozen, "a step changes nothing in place");
        agent = next.agent;
        for (const asked of next.asked) {
          if (asked.ask === "wake") timers.set(asked.timer, asked.at);
          if (asked.ask === "unwake") timers.delete(asked.timer);
          if (asked.ask === "close" || asked.ask === "sendAndClose") open.delete(asked.channelId);
          if (asked.ask === "publish" && asked.event.event === "switched") accepted.push(at);
        }
        if (before.session !== null) {
          assert.equal(agent.session?.id, before.session.id, "CL4");
          assert.ok((agent.session?.version ?? 0) >= before.session.version, "CL5");
          assert.ok((agent.session?.epoch ?? 0) >= before.session.epoch, "CL5");
        }
        const opens = next.asked.filter((asked) => asked.ask === "open");
        assert.ok(opens.length <= 1, "CL1");
        if (agent.mode === "steady") assert.ok(agent.active !== null);
        if (agent.mode === "recovering") assert.equal(agent.active, null);
        const busy = agent.mode === "seeking" || agent.mode === "recovering" || agent.mode === "suspect";
        // CL3: an attempt that opens is answered by the transport; everything else has a timer.
        // Whatever slept, and however much that made late: no more than one window is left.
        const windowMs = agent.session === null ? config.policy.connectMs : config.policy.recoveryMs;
        if (busy) assert.ok((timers.get("recovery") ?? Infinity) <= at + windowMs, "bounded recovery");
        if (busy && agent.attempt === null) assert.ok(timers.has("retry"), "CL3");
        const waits = busy && agent.attempt === null && (agent.waiting?.until ?? 0) <= at;
        if (waits && agent.asking !== null)
          assert.ok(
            (timers.get("retry") ?? Number.POSITIVE_INFINITY) <= Math.max(agent.asking.until, at),
            "CL6",
          );
        if (agent.attempt?.stage === "asking") assert.ok(timers.has("attempt"), "CL3");
        assert.deepEqual(new Set(Object.keys(agent.timers)), new Set(timers.keys()), "it knows its timers");
        if (agent.probe !== null) assert.ok(agent.mode === "steady" && agent.attempt === null, "CL7");
        if (agent.probe !== null && agent.probe.check !== null) assert.ok(timers.has("probe"), "CL7");
        if (agent.check !== null) assert.ok(timers.has("ping") && agent.active !== null, "CL3");
        // What the transport no longer knows need not be closed.
        if (before.active !== null && agent.active === null) open.delete(before.active.channelId);
        const owned = [agent.active, agent.attempt, agent.probe?.check, agent.standby];
        for (const channelId of open)
          assert.ok(
            owned.some((one) => one?.channelId === channelId),
            `${channelId} is left open after ${JSON.stringify(heard)}`,
          );
        return next.asked;
      };
      hear({ heard: "started" });
      for (const [pick, other, wait] of moments) {
        at += wait;
        for (const [timer, due] of [...timers].sort((a, b) => a[1] - b[1])) {
          if (due > at || timers.get(timer) !== due) continue;
          timers.delete(timer);
          hear({ heard: "timer", timer });
        }
        hear(heardBy(agent, pick, other));
        const window = accepted.filter((one) => one > at - 60_000);
        assert.ok(window.length <= 3, `${window.length} switches within a minute`);
      }
    }),
    { numRuns: 1000 },
  );
});

/** A client and the gateway it talks to, a step at a time; its clock stands still in between. */
class Talk {
  agent: Agent = NEW_AGENT;
  at = 0;
  readonly config: ClientConfig;

  constructor(config: ClientConfig = CONFIG) {
    this.config = config;
  }

  hear(heard: Heard): readonly Asked[] {
    const next = step(this.agent, heard, this.config, this.at, `non_${this.at}`);
    this.agent = next.agent;
    return alone(this.agent, next.asked, (more) => this.hear(more));
  }

  /** The channel of the attempt under way. */
  open(): string {
    const { attempt } = this.agent;
    assert.ok(attempt);
    this.hear({ heard: "opened", attempt: attempt.id, channelId: `chn${attempt.id}` });
    return `chn${attempt.id}`;
  }

  accept(channelId: string, epoch: number): void {
    const nonce = this.agent.attempt?.nonce ?? "";
    const session = { sessionId: "ses_a", version: epoch + 1, epoch };
    this.hear({ heard: "frame", channelId, frame: { type: "accepted", reason: "R", nonce, ...session } });
    assert.equal(this.agent.mode, "steady");
  }

  /** The gateway is at an epoch that the client has not heard of. */
  missBind(channelId: string, epoch: number): readonly Asked[] {
    const nonce = this.agent.attempt?.nonce ?? "";
    const session = { sessionId: "ses_a", version: epoch + 1, epoch, retryAfterMs: null, bound: null };
    const frame = { type: "rejected", reason: "EPOCH_STALE", nonce, ...session } as const;
    return this.hear({ heard: "frame", channelId, frame });
  }

  lose(): readonly Asked[] {
    const channelId = String(this.agent.active?.channelId);
    return this.hear({ heard: "channelClosed", channelId, reason: "RESET" });
  }
}

test("a client that has used up its switches waits, says why, and goes on when the minute has passed", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  for (let switched = 1; switched <= 3; switched++) {
    talk.at += 1000;
    talk.lose();
    talk.accept(talk.open(), 1 + switched);
  }
  talk.at += 1000;
  const asked = talk.lose();
  assert.equal(talk.agent.attempt, null);
  assert.deepEqual(talk.agent.waiting, { reason: "SWITCHES_EXCEEDED", until: 61_000 });
  assert.ok(asked.some((one) => one.ask === "wake" && one.timer === "retry" && one.at === 61_000));
  talk.at = 61_000;
  talk.hear({ heard: "timer", timer: "retry" });
  assert.ok(talk.agent.attempt !== null);
});

test("a switch whose answer was lost counts to the bound as soon as it is known of (CL3)", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  // Of three: one whose answer was lost, and the one that asks again.
  talk.at = 1000;
  talk.lose();
  const again = talk.open();
  assert.ok(talk.missBind(again, 2).some((one) => one.ask === "send"));
  assert.deepEqual(talk.agent.switches, [1000]);
  talk.accept(again, 3);
  assert.deepEqual(talk.agent.switches, [1000, 1000]);
  // The third was lost too: nothing is asked again within the minute.
  talk.at = 2000;
  talk.lose();
  const third = talk.missBind(talk.open(), 4);
  assert.ok(third.every((one) => one.ask !== "send"));
  const { attempt, waiting, session } = talk.agent;
  assert.deepEqual([attempt, waiting], [null, { reason: "SWITCHES_EXCEEDED", until: 61_000 }]);
  assert.equal(session?.epoch, 4);
});

test("a sleep moves the window once, however many timers it made late (CL3)", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  talk.at = 1_000;
  talk.lose();
  talk.accept(talk.open(), 2);
  talk.at = 1_100;
  talk.hear({ heard: "pathSilent", channelId: String(talk.agent.active?.channelId), silentMs: 200 });
  assert.deepEqual(talk.agent.waiting, { reason: "COOLDOWN", until: 1_500 });
  talk.at = HOUR_MS;
  for (const timer of ["retry", "recovery", "watch"] as const) talk.hear({ heard: "timer", timer });
  assert.equal(talk.agent.counters["slept"], 1);
  assert.ok((talk.agent.troubleSince ?? Infinity) <= talk.at);
  assert.ok((talk.agent.timers.recovery ?? Infinity) <= talk.at + POLICY.recoveryMs);
});

test("a session the client learns of by a rejection has the window of a session, from then on (CL3)", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  const channelId = talk.open();
  talk.at = 200;
  talk.missBind(channelId, 1);
  assert.equal(talk.agent.session?.id, "ses_a");
  assert.equal(talk.agent.timers.recovery, talk.at + POLICY.recoveryMs);
});

test("a pong from before its channel was bound, overtaken by the answer that bound it, takes nothing away", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  talk.at = 1_000;
  talk.lose();
  const channelId = talk.open();
  talk.accept(channelId, 2);
  const pong = { type: "pong", nonce: "non_standby", sessionId: "ses_a", state: "RECOVERING" } as const;
  talk.hear({ heard: "frame", channelId, frame: { ...pong, version: 2, epoch: 1, bound: false } });
  assert.deepEqual([talk.agent.mode, talk.agent.active?.channelId], ["steady", channelId]);
  talk.hear({ heard: "frame", channelId, frame: { ...pong, version: 3, epoch: 2, bound: false } });
  assert.equal(talk.agent.reason, "CHANNEL_NOT_BOUND", "one from after it says that it is bound no more");
});

test("a gateway that teaches the client a later epoch again and again contradicts itself: the attempt ends with how often", () => {
  const talk = new Talk({ ...CONFIG, policy: { ...CONFIG.policy, maxSwitchesPerMinute: 30 } });
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  talk.at = 1_000;
  talk.lose();
  const channelId = talk.open();
  for (let epoch = 2; talk.agent.attempt?.channelId === channelId; epoch++) talk.missBind(channelId, epoch);
  const failed = talk.agent.recent.find(({ event }) => event === "pathFailed");
  const bound = { bound: "lessons", limit: 3, value: 3, unit: "lessons" };
  assert.deepEqual([failed?.reason, failed?.evidence["bound"]], ["ANSWER_UNFIT", bound]);
});

test("what the transport did not open in time says whose time it was, and how long it took", () => {
  const cases = [
    ["TRANSPORT_OPEN_TIMEOUT", { waitedMs: 640, limitMs: 600 }, "openTimeoutMs", 600],
    ["CALL_TIMEOUT", { waitedMs: 1_250 }, "policy.openTimeoutMs", 1_000],
    ["TRANSPORT_OPEN_REFUSED", { waitedMs: 3 }, undefined, undefined],
  ] as const;
  for (const [code, took, name, limit] of cases) {
    const talk = new Talk();
    talk.hear({ heard: "started" });
    talk.hear({ heard: "timer", timer: "retry" });
    const attempt = talk.agent.attempt?.id ?? 0;
    talk.hear({ heard: "openFailed", attempt, code, ...took });
    const [failed] = talk.agent.recent.filter(({ event }) => event === "pathFailed");
    const bound = failed?.evidence["bound"] as { bound: string; limit: number; value: number } | undefined;
    const value = name === undefined ? undefined : took.waitedMs;
    assert.deepEqual([failed?.reason, bound?.bound, bound?.limit, bound?.value], [code, name, limit, value]);
  }
});

test("a gateway's word to wait, to an attempt that the path's return has overtaken, leaves nothing waiting", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  const channelId = String(talk.agent.active?.channelId);
  talk.at = 1_000;
  talk.hear({ heard: "pathSilent", channelId, silentMs: 200 });
  const attempt = talk.open();
  talk.hear({ heard: "pathAlive", channelId });
  assert.equal(talk.agent.mode, "steady");
  const where = { sessionId: null, epoch: 0, version: 0, retryAfterMs: 700, bound: null };
  const frame = { type: "rejected", reason: "RATE_LIMITED", nonce: null, ...where } as const;
  talk.hear({ heard: "frame", channelId: attempt, frame });
  const { mode, waiting, timers, recent } = talk.agent;
  assert.deepEqual([mode, waiting, timers.retry], ["steady", null, undefined]);
  assert.ok(timers.probe !== undefined, "other paths are looked at as before");
  assert.deepEqual([recent.at(-1)?.event, recent.at(-1)?.reason], ["denied", "RATE_LIMITED"]);
});

test("codes that routing or a gateway make up are counted, and what is kept does not grow with them", () => {
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  const before = Object.values(talk.agent.counters).reduce((sum, one) => sum + one, 0);
  const where = { nonce: null, sessionId: null, epoch: 0, version: 0, retryAfterMs: null, bound: null };
  for (let n = 0; n < 1_000; n++)
    talk.hear({
      ...{ heard: "frame", channelId: "chn_other" },
      frame: { type: "rejected", reason: `MADE_UP_${n}`, ...where },
    });
  const { counters } = talk.agent;
  assert.ok(Object.keys(counters).length <= MAX_NAMES + 1);
  assert.equal(
    Object.values(counters).reduce((sum, one) => sum + one, 0),
    before + 1_000,
  );
});

test("of several gateways one that does not admit the key ends nothing another one carries; all of them do, or the one that carries it", () => {
  const where = { nonce: null, sessionId: null, epoch: 0, version: 0, retryAfterMs: null, bound: null };
  const frame = { type: "rejected", reason: "PEER_NOT_ADMITTED", ...where } as const;
  const talk = new Talk();
  talk.hear({ heard: "started" });
  talk.accept(talk.open(), 1);
  const carrying = String(talk.agent.active?.channelId);
  talk.hear({ heard: "timer", timer: "probe" });
  const { id = 0, pathId = "" } = talk.agent.probe ?? {};
  talk.hear({ heard: "opened", attempt: id, channelId: "chn_probe" });
  talk.hear({ heard: "frame", channelId: "chn_probe", frame });
  assert.deepEqual([talk.agent.mode, talk.agent.active?.channelId], ["steady", carrying]);
  assert.equal(talk.agent.paths[pathId]?.lastFailure, "PEER_NOT_ADMITTED");
  talk.at = 1_000;
  talk.lose();
  const asked: string[] = [];
  while (talk.agent.mode === "recovering") {
    asked.push(String(talk.agent.attempt?.pathId));
    talk.hear({ heard: "frame", channelId: talk.open(), frame });
  }
  assert.deepEqual([talk.agent.mode, talk.agent.reason], ["ended", "PEER_NOT_ADMITTED"]);
  assert.ok(asked.length >= 2 && new Set(asked).size === asked.length, asked.join(" "));

  const alone = new Talk();
  alone.hear({ heard: "started" });
  alone.accept(alone.open(), 1);
  alone.hear({ heard: "frame", channelId: String(alone.agent.active?.channelId), frame });
  assert.deepEqual([alone.agent.mode, alone.agent.reason], ["ended", "PEER_NOT_ADMITTED"]);
});

test("a probe that another gateway answers proves its path and is no standby; what the gateway will not answer proves nothing", () => {
  const config = CONFIGS[2] ?? CONFIG;
  for (const reason of ["SESSION_UNKNOWN", "RATE_LIMITED", "GATEWAY_OVERLOADED"]) {
    let agent: Agent = NEW_AGENT;
    let n = 0;
    const hear = (heard: Heard, at: number): readonly Asked[] => {
      const next = step(agent, heard, config, at, `non_${n++}`);
      agent = next.agent;
      return alone(agent, next.asked, (more) => hear(more, at));
    };
    hear({ heard: "started" }, 0);
    for (const at of [10, 20]) hear(fittingFor(agent, 0), at);
    assert.equal(agent.mode, "steady");
    hear({ heard: "timer", timer: "probe" }, 300);
    hear(fittingFor(agent, 0), 310);
    const { probe } = agent;
    assert.ok(probe?.check);
    const { channelId, pathId, pings } = probe.check;
    const where = { sessionId: null, epoch: 0, version: 0, retryAfterMs: null, bound: null };
    const nonce = reason === "SESSION_UNKNOWN" ? (pings[0]?.nonce ?? "") : null;
    const asked = hear(
      { heard: "frame", channelId, frame: { type: "rejected", nonce, reason, ...where } },
      320,
    );
    assert.ok(asked.some((one) => one.ask === "close" && one.channelId === channelId));
    const { lastOkAt = null, failures = 0 } = agent.paths[pathId] ?? {};
    assert.deepEqual([lastOkAt, failures], [reason === "SESSION_UNKNOWN" ? 320 : null, 0]);
    assert.deepEqual([agent.mode, agent.standby, agent.probe], ["steady", null, null]);
  }
});

test("an answer that names another session ends the attempt, not the session", () => {
  let agent: Agent = NEW_AGENT;
  const hear = (heard: Heard, at: number): readonly Asked[] => {
    const next = step(agent, heard, CONFIG, at, `non_${at}`);
    agent = next.agent;
    return alone(agent, next.asked, (more) => hear(more, at));
  };
  hear({ heard: "started" }, 0);
  hear({ heard: "opened", attempt: 1, channelId: "one" }, 10);
  const first = {
    type: "accepted",
    nonce: "non_0",
    reason: "R",
    sessionId: "ses_a",
    version: 2,
    epoch: 1,
  } as const;
  hear({ heard: "frame", channelId: "one", frame: first }, 20);
  assert.equal(agent.mode, "steady");
  hear({ heard: "channelClosed", channelId: "one", reason: "RESET" }, 1000);
  hear({ heard: "opened", attempt: 2, channelId: "two" }, 1010);
  const wrong = { ...first, nonce: "non_1000", sessionId: "ses_b", version: 3, epoch: 2 };
  const asked = hear({ heard: "frame", channelId: "two", frame: wrong }, 1020);
  assert.equal(agent.session?.id, "ses_a");
  assert.ok(asked.some((one) => one.ask === "close" && one.channelId === "two"));
  assert.equal(agent.mode, "recovering");
});

test("frames of a gateway are read strictly, and no input throws", () => {
  const good = {
    v: 1,
    type: "accepted",
    nonce: "non_0000",
    reason: "R",
    sessionId: "ses_00000000",
    version: 1,
    epoch: 1,
  };
  assert.ok(gatewayFrames.parseGatewayFrame(good));
  for (const [name, value] of Object.entries({
    v: 2,
    type: "create",
    nonce: 1,
    sessionId: "x",
    version: -1,
    epoch: 0.5,
  })) {
    assert.equal(gatewayFrames.parseGatewayFrame({ ...good, [name]: value }), undefined, name);
  }
  fc.assert(
    fc.property(fc.jsonValue(), (junk) => gatewayFrames.parseGatewayFrame(junk as Json) === undefined),
  );
});

test("a configuration that is not understood is refused with the place", () => {
  const base = { gateway: GATEWAY, candidates: CANDIDATES };
  const wrong: [Json, RegExp][] = [
    [{ ...base, gateway: "x" }, /\/gateway/],
    [{ ...base, candidates: [] }, /\/candidates/],
    [{ ...base, candidates: [CANDIDATES[0] as Json, CANDIDATES[0] as Json] }, /two candidates/],
    [{ ...base, candidates: [{ ...CANDIDATES[0], port: 0 }] }, /\/candidates\/0\/port/],
    [{ ...base, policy: { cooldown: 1 } }, /\/policy\/cooldown/],
    [{ ...base, policy: { belowPings: 4, ofPings: 3 } }, /\/policy\/belowPings/],
    [{ ...base, policy: { probeMs: 99 } }, /\/policy\/probeMs/],
    [{ ...base, renew: "yes" }, /\/renew/],
  ];
  for (const [config, place] of wrong) assert.throws(() => parseConfig(config), place);
  assert.equal(parseConfig(null).gateway, null);
});
