/** What `vnes session explain` says, to be read as prose: `testdata/explain.txt` holds it; UPDATE=1 writes it anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/schemas";
import { BINDINGS, GATEWAY_REASONS, REJECTION_REASONS, TRANSITION_REASONS } from "@vnes/vpn-common";
import { CLIENT_REASONS } from "../../capsules/vpn/client/src/reasons.ts";
import { MODES } from "../../capsules/vpn/client/src/vocabulary.ts";
import { transportErrors } from "../../capsules/vpn/transport/src/errors.ts";
import { explainNamed } from "../../cli/src/commands/session-explain.ts";
import type { ControlClient } from "../../cli/src/control/client.ts";
import { eventLine } from "../../cli/src/session/event-line.ts";
import { explain, sentencesOf, type Standing } from "../../cli/src/session/explain.ts";
import { FAILURES, REASONS } from "../../cli/src/session/reasons.ts";
import { wordsOf } from "../../cli/src/session/sentence.ts";
import type { SeenEvent } from "../../cli/src/session/session-events.ts";

const GOLDEN = new URL("testdata/explain.txt", import.meta.url);
const PAGE = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
const NOW = Date.parse("2026-03-01T12:00:00Z");
const SESSION = "ses_0123456789abcdefghij";
const OWNER = "Y2xpZW50Y2xpZW50Y2xpZW50Y2xpZW50Y2xpZW50Y2w=";

function seen(topic: string, at: number, event: JsonObject): SeenEvent {
  return { topic, partition: 0, seq: 1, at, event: { at, ...event }, source: "vnes.vpn.session/0:1:0" };
}

function view(state: string, reason: string, more: JsonObject = {}): JsonObject {
  const bound = BINDINGS[state as keyof typeof BINDINGS] === 1;
  return {
    ...{ sessionId: SESSION, owner: OWNER, state, reason, version: 4, epoch: 2, bindings: bound ? 1 : 0 },
    binding: bound ? { channelId: "chn_a", pathId: "lte", at: NOW - 60_000 } : null,
    ...{ createdAt: NOW - 3_600_000, changedAt: NOW - 5_000, sessionExpiresAt: NOW + 82_800_000 },
    lossExpiresAt: ["BIRTH", "VOLATILE", "RECOVERING"].includes(state) ? NOW + 55_000 : null,
    switchesLastMinute: 1,
    policy: { sessionTtlMs: 86_400_000, transportLossTtlMs: 60_000, maxSwitchesPerMinute: 30 },
    ...more,
  };
}

function moved(from: string | null, to: string, reason: string, evidence: JsonObject): SeenEvent {
  return seen("vpn.session.v1", NOW - 5_000, {
    sessionId: SESSION,
    owner: OWNER,
    from,
    to,
    reason,
    trigger: "t",
    evidence,
  });
}

function denied(reason: string, more: JsonObject = {}): SeenEvent {
  return seen("vpn.denial.v1", NOW - 2_000, {
    ...{ sessionId: SESSION, peer: OWNER, by: "session", asked: "reattach", reason, state: "RECOVERING" },
    ...{ version: 4, epoch: 2, channelId: "chn_b", pathId: "wifi", count: 1, since: NOW - 2_000 },
    evidence: { claimed: { epoch: 1, version: 3 } },
    ...more,
  });
}

const DECIDED = { criterion: "latency", value: 12.04, against: "wifi", next: 40, unit: "ms" };

function status(mode: string, reason: string, more: JsonObject = {}): JsonObject {
  const state = MODES[mode as keyof typeof MODES];
  const isOpen = mode === "steady" || mode === "suspect";
  const isTrouble = mode === "suspect" || mode === "recovering" || mode === "seeking";
  const health = {
    kind: "udp",
    priority: 10,
    failures: 0,
    lastFailure: null,
    latencyMs: 12.04,
    lastOkAt: NOW - 60_000,
  };
  return {
    ...{ mode, reason, gateway: "key" },
    session: state === null || mode === "seeking" ? null : { id: SESSION, state, version: 4, epoch: 2 },
    active: isOpen ? { channelId: "chn_a", pathId: "lte", since: NOW - 60_000 } : null,
    attempt: null,
    waiting: null,
    troubleSince: isTrouble ? NOW - 5_000 : null,
    recoveryEndsAt: isTrouble ? NOW + 25_000 : null,
    switchesLastMinute: 0,
    ranking: {
      places: [
        { pathId: "lte", decidedBy: DECIDED },
        { pathId: "wifi", decidedBy: null },
      ],
    },
    candidates: [
      { pathId: "lte", ...health, active: isOpen },
      {
        pathId: "wifi",
        ...health,
        latencyMs: 40,
        failures: 2,
        lastFailure: "NO_ANSWER",
        lastOkAt: null,
        active: false,
      },
    ],
    ...more,
  };
}

function client(event: string, reason: string, evidence: JsonObject = {}, more: JsonObject = {}): SeenEvent {
  const fields = {
    event,
    sessionId: SESSION,
    version: 4,
    epoch: 2,
    pathId: "lte",
    fromPathId: null,
    reason,
    evidence,
  };
  return seen("vpn.client.v1", NOW - 5_000, { ...fields, ...more });
}

const CHOICE = {
  by: "routing",
  problem: null,
  ageMs: 100,
  geometry: { model: "vivaldi", problem: null },
  decidedBy: DECIDED,
  skipped: ["fibre"],
};
const ATTACHED = client("switched", "REATTACHED", {
  attemptMs: 35,
  troubleMs: 205,
  sends: 1,
  choice: CHOICE,
});

type Case = readonly [title: string, standing: Parameters<typeof explain>[1], events: readonly SeenEvent[]];

/** Of a client without a session: nothing is said of one. */
const nobody = (one: JsonObject): boolean => one["session"] === null;

const owner = (title: string, of: JsonObject, ...events: SeenEvent[]): Case => [
  title,
  { role: "owner", view: of },
  events,
];
const mirror = (title: string, of: JsonObject, ...events: SeenEvent[]): Case => [
  title,
  { role: "client", status: of },
  events,
];

const bound = (name: string, limit: number, value: number, unit: string): JsonObject => ({
  bound: { bound: `policy.${name}`, limit, value, unit },
});

const CASES: readonly Case[] = [
  owner("a gateway: just made", view("BIRTH", "CREATED"), moved(null, "BIRTH", "CREATED", {})),
  owner(
    "a gateway: attached",
    view("ATTACHED", "REATTACHED"),
    moved("RECOVERING", "ATTACHED", "REATTACHED", {}),
  ),
  owner(
    "a gateway: silent",
    view("VOLATILE", "PATH_SILENT"),
    moved("ATTACHED", "VOLATILE", "PATH_SILENT", { silentMs: 204 }),
  ),
  owner(
    "a gateway: below policy",
    view("DEGRADED", "BELOW_POLICY"),
    moved("ATTACHED", "DEGRADED", "BELOW_POLICY", {
      pathId: "lte",
      below: "LOSS_ABOVE_POLICY",
      ...bound("maxLossPercent", 5, 12, "percent"),
    }),
  ),
  owner(
    "a gateway: the transport is gone, and the client came too often",
    view("RECOVERING", "TRANSPORT_LOST", {
      switchesLastMinute: 2,
      policy: { sessionTtlMs: 86_400_000, transportLossTtlMs: 60_000, maxSwitchesPerMinute: 2 },
    }),
    seen("vpn.session.v1", NOW - 40_000, { from: "ATTACHED", to: "ATTACHED", reason: "REATTACHED" }),
    seen("vpn.session.v1", NOW - 20_000, { from: "ATTACHED", to: "ATTACHED", reason: "REATTACHED" }),
    moved("ATTACHED", "RECOVERING", "TRANSPORT_LOST", { reason: "connectionClosed" }),
    denied("SWITCH_RATE_EXCEEDED", {
      count: 3,
      since: NOW - 4_000,
      evidence: {
        claimed: { epoch: 2, version: 4 },
        allowedAt: NOW + 20_000,
        ...bound("maxSwitchesPerMinute", 2, 2, "switches"),
      },
    }),
  ),
  owner(
    "a gateway: ended",
    view("TERMINATED", "POLICY_TERMINATED"),
    moved("ATTACHED", "TERMINATED", "POLICY_TERMINATED", {
      caller: "vnes.vpn.gateway",
      why: "PEER_NOT_ADMITTED",
    }),
    denied("SESSION_TERMINATED", { evidence: { endedFor: "POLICY_TERMINATED" } }),
  ),
  [
    "a gateway: let go of, and there are events of it",
    { role: "past" },
    [
      moved(null, "BIRTH", "CREATED", {}),
      moved("RECOVERING", "TERMINATED", "TRANSPORT_LOSS_TTL_EXPIRED", {
        ...bound("transportLossTtlMs", 60_000, 60_000, "ms"),
      }),
      denied("SESSION_UNKNOWN", { evidence: {} }),
    ],
  ],
  [
    "a client: another session followed it",
    { role: "past" },
    [ATTACHED, client("ended", "CLIENT_CLOSED", { mode: "steady" })],
  ],
  mirror("a client: no gateway", status("idle", "NOT_CONFIGURED", { candidates: [], ranking: null })),
  mirror("a client: no session yet", status("seeking", "STARTED"), client("seeking", "STARTED")),
  mirror(
    "a client: gave up before it had a session",
    status("ended", "CONNECT_EXPIRED", { session: null }),
    client("ended", "CONNECT_EXPIRED", bound("connectMs", 600_000, 600_000, "ms")),
  ),
  mirror("a client: attached, and why over this path", status("steady", "REATTACHED"), ATTACHED),
  mirror(
    "a client: attached because a person asked, ranked by itself",
    status("steady", "REATTACHED"),
    client("switched", "REATTACHED", {
      attemptMs: 35,
      choice: { ...CHOICE, by: "person", decidedBy: null, skipped: [] },
    }),
    client("denied", "COOLDOWN", {
      by: "person",
      until: NOW + 700,
      ...bound("cooldownMs", 1_000, 300, "ms"),
    }),
  ),
  mirror(
    "a client: attached, after the machine lost its route over the path before",
    status("steady", "REATTACHED"),
    client("suspected", "SEND_FAILED", { code: "ENETUNREACH" }, { pathId: "wifi" }),
    client(
      "switched",
      "REATTACHED",
      { attemptMs: 35, troubleMs: 35, sends: 1, cause: "SEND_FAILED", choice: CHOICE },
      { fromPathId: "wifi" },
    ),
  ),
  mirror(
    "a client: routing did not answer",
    status("steady", "ATTACHED_FIRST"),
    client("attached", "ATTACHED_FIRST", {
      choice: { ...CHOICE, by: "client", problem: "CALL_TIMEOUT", geometry: null, skipped: [] },
    }),
  ),
  mirror(
    "a client: geometry did not answer",
    status("steady", "ATTACHED_FIRST"),
    client("attached", "ATTACHED_FIRST", {
      choice: { ...CHOICE, geometry: { model: null, problem: "CALL_CAPABILITY_UNAVAILABLE" }, skipped: [] },
    }),
  ),
  mirror(
    "a client: attached, and below policy",
    status("steady", "LOSS_ABOVE_POLICY", { quality: { isBelow: true, reason: "LOSS_ABOVE_POLICY" } }),
    ATTACHED,
    client("degraded", "LOSS_ABOVE_POLICY", bound("maxLossPercent", 5, 12, "percent")),
  ),
  mirror(
    "a client: silent, and held by the cooldown",
    status("suspect", "PATH_SILENT", {
      waiting: { reason: "COOLDOWN", until: NOW + 700 },
      switchesLastMinute: 1,
    }),
    ATTACHED,
    client("suspected", "PATH_SILENT", { silentMs: 204 }),
    client("denied", "COOLDOWN", { until: NOW + 700, ...bound("cooldownMs", 1_000, 300, "ms") }),
  ),
  mirror(
    "a client: recovering",
    status("recovering", "CHANNEL_CLOSED", {
      attempt: { pathId: "wifi", kind: "reattach", stage: "opening", sends: 0, startedAt: NOW - 300 },
    }),
    client("lost", "CHANNEL_CLOSED", { detail: "peerClosed" }),
    client("pathFailed", "NO_ANSWER", {
      by: "attempt",
      sends: 4,
      bound: { bound: "sends", limit: 4, value: 4, unit: "requests" },
    }),
    client("pathFailed", "TRANSPORT_OPEN_REFUSED", { by: "probe", failures: 1 }),
    client("denied", "RATE_LIMITED", {
      by: "gateway",
      until: NOW + 400,
      ...bound("requestsPerMinute / 4", 60, 61, "frames"),
    }),
  ),
  mirror(
    "a client: ended",
    status("ended", "RECOVERY_EXPIRED"),
    client("ended", "RECOVERY_EXPIRED", {
      mode: "recovering",
      troubleMs: 30_000,
      ...bound("recoveryMs", 30_000, 30_000, "ms"),
    }),
  ),
];

test("each state is told in sentences", () => {
  const told = CASES.map(([title, standing, events]) => {
    const session = standing.role === "client" && nobody(standing.status) ? null : SESSION;
    return `${title}\n----\n${sentencesOf(explain(session, standing, events, NOW))
      .map(wordsOf)
      .join("\n")}\n`;
  }).join("\n");
  if (process.env["UPDATE"] === "1") writeFileSync(GOLDEN, told);
  else assert.equal(told, readFileSync(GOLDEN, "utf8"));
});

test("it is told by the node's own time, which does not follow when somebody sets the machine's clock", async () => {
  const answers: { readonly [asked: string]: JsonObject } = {
    "vpn.client": { ok: false, code: "CALL_CAPABILITY_UNAVAILABLE", message: "none" },
    "vpn.session": { ok: true, value: view("RECOVERING", "TRANSPORT_LOST") },
    "topic.show": { lastSeqs: [], firstSeqs: [] },
    status: { now: NOW },
  };
  const request = (method: string, params: JsonObject = {}): Promise<JsonObject> =>
    Promise.resolve(answers[(params["capability"] as string | undefined) ?? method] ?? {});
  const { explanation } = await explainNamed({ request } as unknown as ControlClient, SESSION);
  assert.match(wordsOf(explanation.where[0] ?? ""), /\(RECOVERING\), since .* \(5\.0 s ago\)\.$/);
  assert.match(wordsOf(explanation.next[0] ?? ""), /it ends .* \(in 55\.0 s\)/);
});

test("what is to be typed on the gateway's node is typed here where the gateway tells it, and there where the client does", () => {
  const has = (standing: Standing): unknown => {
    const { person } = explain(SESSION, standing, [denied("GATEWAY_DRAINING")], NOW);
    return person.find((sentence) => wordsOf(sentence).includes("vpn.gateway drain"));
  };
  assert.equal(typeof has({ role: "owner", view: view("RECOVERING", "TRANSPORT_LOST") }), "string");
  assert.equal(typeof has({ role: "client", status: status("recovering", "CHANNEL_CLOSED") }), "object");
});

test("every state of both sides is among them", () => {
  const owned = CASES.flatMap(([, one]) => (one.role === "owner" ? [one.view["state"] as string] : []));
  assert.deepEqual([...new Set(owned)].sort(), Object.keys(BINDINGS).sort());
  const modes = CASES.flatMap(([, one]) => (one.role === "client" ? [one.status["mode"] as string] : []));
  assert.deepEqual([...new Set(modes)].sort(), Object.keys(MODES).sort());
});

const ALL = { ...TRANSITION_REASONS, ...REJECTION_REASONS, ...GATEWAY_REASONS, ...CLIENT_REASONS };

test("every reason of docs/protocol.md has a sentence, and there is none for another", () => {
  const section = PAGE.slice(PAGE.indexOf("## Reasons"), PAGE.indexOf("## The client"));
  const written = [...section.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code = ""]) => code);
  assert.deepEqual([...new Set(written)].sort(), Object.keys(REASONS).sort());
  assert.deepEqual(Object.keys(ALL).sort(), Object.keys(REASONS).sort());
  for (const [code, { because, next }] of Object.entries(REASONS)) {
    assert.match(because, /^[a-z][^.]*$/, code);
    assert.match(wordsOf(next ?? "Let it."), /^[A-Z].*\.$/, code);
  }
});

test("every reason is told wherever it may stand: of a state, of a denial, of a wait", () => {
  const has = (code: string, [, standing, events]: Case): void => {
    const told = sentencesOf(explain(SESSION, standing, events, NOW))
      .map(wordsOf)
      .join("\n");
    assert.ok(told.includes(REASONS[code]?.because ?? "?") && told.includes(code), `${code} in\n${told}`);
    assert.doesNotMatch(told, /undefined|null|NaN|\[object/);
  };
  for (const code of Object.keys(TRANSITION_REASONS)) {
    has(code, owner("", view("ATTACHED", code), moved("VOLATILE", "ATTACHED", code, {})));
    has(code, mirror("", status("steady", code)));
  }
  for (const code of [...Object.keys(REJECTION_REASONS), ...Object.keys(GATEWAY_REASONS)])
    has(code, owner("", view("ATTACHED", "REATTACHED"), denied(code, { evidence: {}, pathId: null })));
  for (const code of Object.keys(CLIENT_REASONS)) {
    has(code, mirror("", status("recovering", code)));
    has(code, mirror("", status("steady", "REATTACHED"), client("denied", code)));
    has(code, mirror("", status("suspect", "PATH_SILENT", { waiting: { reason: code, until: NOW + 10 } })));
  }
});

test("whatever the transport may answer to an attempt has a sentence", () => {
  // What a configuration or a call gets wrong stops a node or is a bug, and is no failure of a path.
  const others = ["TRANSPORT_CONFIG_INVALID", "TRANSPORT_LISTEN_FAILED", "TRANSPORT_INPUT_INVALID"];
  const codes = Object.keys(transportErrors.entries).filter(
    (code) => !others.includes(code) && code !== "TRANSPORT_METHOD_UNKNOWN",
  );
  for (const code of codes) assert.match(FAILURES[code] ?? "?", /^[a-z][^.]*$/, code);
  for (const code of Object.keys(FAILURES)) assert.ok(codes.includes(code) || code.startsWith("CALL_"), code);
});

test("a reason nobody wrote a sentence for is told by its code, and strange data breaks nothing", () => {
  const told = sentencesOf(explain(SESSION, { role: "owner", view: view("LIMBO", "MOONLIGHT") }, [], NOW))
    .map(wordsOf)
    .join("\n");
  assert.match(told, /is LIMBO[\s\S]*because of MOONLIGHT/);
  const strange: Json[] = [null, 7, "x", [], {}, { pathId: 3 }];
  for (const one of strange) {
    const odd = {
      candidates: one,
      active: one,
      session: one,
      attempt: one,
      waiting: one,
      ranking: one,
      evidence: one,
    };
    for (const topic of ["vpn.session.v1", "vpn.denial.v1", "vpn.client.v1"]) {
      const event = seen(topic, NOW, { ...odd, binding: one, released: one } as JsonObject);
      explain(SESSION, { role: "client", status: odd }, [event], NOW);
      explain(
        SESSION,
        { role: "owner", view: { ...odd, binding: one, policy: one } as JsonObject },
        [event],
        NOW,
      );
      assert.equal(typeof eventLine(event, false), "string");
    }
  }
});

test("an event is one line, and nothing in it moves the cursor", () => {
  const line = eventLine(
    moved("ATTACHED", "VOLATILE", "PATH_SILENT", { silentMs: 204, said: "\u001b[2J\nmore", pathId: "lte" }),
    true,
  );
  assert.match(
    line,
    /^2026-03-01T11:59:55\.000Z {2}ATTACHED -> VOLATILE .*PATH_SILENT .*silentMs=204 said=\\u001b\[2J\\u000amore$/,
  );
  assert.match(
    eventLine(denied("EPOCH_STALE", { count: 12 }), false),
    /ses_0123456789abcdefghij {2}denied 12 times .*EPOCH_STALE .*reattach .*over wifi/,
  );
});
