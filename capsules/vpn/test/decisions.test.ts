/** Every reason there is, by name: which number decides for it, or that none does; and that whatever is said carries that number. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import {
  GATEWAY_REASONS,
  REJECTION_REASONS,
  SESSION_POLICY,
  TRANSITION_REASONS,
  usualPolicy,
} from "@vnes/vpn-common";
import { CLIENT_REASONS } from "../client/src/reasons.ts";
import { birth, step } from "../session/src/machine.ts";
import { SPECS } from "./specs.ts";
import { KEYS, type Options, openVpn, type Vpn } from "./vpn.ts";

/** The names its number may have. `unless`: what may say it without one, and why. */
type Decision = { readonly by: readonly string[]; readonly unless?: (event: JsonObject) => boolean };

const NONE: Decision = { by: [] };
const by = (...names: string[]): Decision => ({ by: names });

const evidenceOf = (event: JsonObject): JsonObject => event["evidence"] as JsonObject;

/** Somebody said so, or something was found so, and nothing was measured: no number could be another. */
const DECISIONS: { readonly [reason: string]: Decision } = {
  // Of a transition.
  CREATED: NONE,
  ATTACHED_FIRST: NONE,
  REATTACHED: by("policy.maxSwitchesPerMinute"),
  // Where it was the other end that heard nothing, the number is the other end's; of a channel in a list no number is told.
  PATH_SILENT: {
    by: ["silentMs"],
    unless: (event) => {
      const { direction, reason, silentMs } = evidenceOf(event);
      return direction !== "in" || reason === "LISTED_SILENT" || silentMs === null;
    },
  },
  PATH_ALIVE: NONE,
  // It is closed for other reasons, too.
  TRANSPORT_LOST: { by: ["deadMs"], unless: (event) => evidenceOf(event)["reason"] !== "pathDead" },
  BELOW_POLICY: by("policy.maxLossPercent", "policy.maxLatencyMs", "policy.belowPings"),
  POLICY_MET: by("policy.ofPings"),
  CLIENT_CLOSED: NONE,
  OPERATOR_TERMINATED: NONE,
  POLICY_TERMINATED: NONE,
  SESSION_TTL_EXPIRED: by("policy.sessionTtlMs"),
  TRANSPORT_LOSS_TTL_EXPIRED: by("policy.transportLossTtlMs"),
  VERSION_AHEAD: NONE,
  // Of a rejection. Epochs and versions are not limits: what was claimed and what is so stand beside each other.
  TRANSITION_ILLEGAL: NONE,
  SESSION_UNKNOWN: NONE,
  SESSION_TERMINATED: NONE,
  OWNER_MISMATCH: NONE,
  OWNER_HAS_SESSION: by("liveSessionsOfOneKey"),
  SESSIONS_FULL: by("liveSessions"),
  ALREADY_ATTACHED: NONE,
  CHANNEL_NOT_BOUND: NONE,
  EPOCH_STALE: NONE,
  EPOCH_AHEAD: NONE,
  SWITCH_RATE_EXCEEDED: by("policy.maxSwitchesPerMinute"),
  VERSION_CONFLICT: NONE,
  CLOCK_NOT_DUE: by("policy.sessionTtlMs", "policy.transportLossTtlMs"),
  // Of the gateway.
  PEER_NOT_ADMITTED: NONE,
  FRAME_MALFORMED: NONE,
  RATE_LIMITED: by("requestsPerMinute / 4"),
  GATEWAY_OVERLOADED: by("framesPerMinute / 4"),
  BOUND_ELSEWHERE: NONE,
  // Other codes than a late answer are no number.
  GATEWAY_BUSY: {
    by: ["decideMs", "sends"],
    unless: (event) => evidenceOf(event)["code"] !== "CALL_TIMEOUT",
  },
  GATEWAY_DRAINING: NONE,
  UNBOUND: by("unboundMs", "standbyMs"),
  // Of the client.
  NOT_CONFIGURED: NONE,
  STARTED: NONE,
  RESTARTED: NONE,
  SLEPT: by("lateMs"),
  ADDRESSES_CHANGED: NONE,
  SEND_FAILED: NONE,
  PING_ANSWERED: NONE,
  CHANNEL_CLOSED: { by: ["deadMs"], unless: (event) => evidenceOf(event)["detail"] !== "pathDead" },
  CHANNEL_NOT_LISTED: NONE,
  SET_ACTIVE_FAILED: NONE,
  // Waited for, and never said.
  CHECKING: NONE,
  LOSS_ABOVE_POLICY: by("policy.maxLossPercent"),
  LATENCY_ABOVE_POLICY: by("policy.maxLatencyMs"),
  PINGS_UNANSWERED: by("policy.belowPings"),
  LARGE_FRAMES_LOST: by("policy.belowPings", "largePings"),
  JUMP_ASKED: NONE,
  COOLDOWN: by("policy.cooldownMs"),
  SWITCHES_EXCEEDED: by("policy.maxSwitchesPerMinute"),
  ROUND_FAILED: by("candidates"),
  // The number of its cause, where that has one.
  JUMP_FAILED: {
    by: ["sends", "openTimeoutMs", "policy.openTimeoutMs"],
    unless: (event) => evidenceOf(event)["cause"] !== "NO_ANSWER",
  },
  NOT_STEADY: NONE,
  PATH_UNKNOWN: NONE,
  NO_ANSWER: by("sends", "pings"),
  // Of one answer that does not fit there is no number; of a gateway that contradicts itself there is (client/test/agent.test.ts).
  ANSWER_UNFIT: { by: ["lessons"], unless: () => true },
  RECOVERY_EXPIRED: by("policy.recoveryMs"),
  CONNECT_EXPIRED: by("policy.connectMs"),
  GATEWAY_CHANGED: NONE,
  RENEW_ASKED: NONE,
};

const ALL = { ...TRANSITION_REASONS, ...REJECTION_REASONS, ...GATEWAY_REASONS, ...CLIENT_REASONS };

test("there is no reason of which it is not known here whether a number decides, and each number is on the page", () => {
  assert.deepEqual(Object.keys(DECISIONS).toSorted(), Object.keys(ALL).toSorted());
  const page = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const [, section = ""] = page.split("## The number that decided");
  const [table = ""] = section.split("\n## ");
  for (const [reason, { by: names }] of Object.entries(DECISIONS)) {
    // A clock's own number is said in its row.
    if (reason === "CLOCK_NOT_DUE") continue;
    if (names.length > 0) assert.ok(table.includes(`\`${reason}\``), reason);
    for (const name of names) assert.ok(table.includes(`\`${name}\``), `${reason}: ${name}`);
  }
});

const CHANNEL = "chn_eeeeeeeeeeeeeeeeeeee";
const NONCE = "non_44444444444444444444";
const keyOf = (n: number): string => `${String(n).padStart(43, "A")}=`;

function steady(options: Options = {}): Vpn {
  const vpn = openVpn(options);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  return vpn;
}

function inject(vpn: Vpn, frame: Json, peer: string = KEYS.client): void {
  vpn.network.inject(vpn.gateway, CHANNEL, "wifi", peer, frame);
  vpn.lab.advance(20);
}

const create = (n: number): JsonObject => ({ v: 1, type: "create", nonce: `${NONCE}${n}` });
const active = (vpn: Vpn): string => vpn.activePath() as string;

/** What takes a path below policy, and what brings it back. */
function below(policy: JsonObject, spoil: (vpn: Vpn, path: string) => void): Vpn {
  const vpn = steady({ policy: { watchMs: 500, probeMs: 0, belowPings: 2, ofPings: 3, ...policy } });
  spoil(vpn, active(vpn));
  vpn.lab.advance(20_000);
  for (const path of vpn.network.paths.keys()) vpn.network.revive(path);
  vpn.network.latencyMs.clear();
  vpn.network.loss.clear();
  vpn.lab.advance(60_000);
  return vpn;
}

const SCENES: { readonly [title: string]: () => Vpn } = {
  "every path dies": () => {
    const vpn = steady({ gateway: { policy: { transportLossTtlMs: 20_000 } } });
    vpn.lab.advance(400);
    vpn.client.ask("vpn.client", "jump", {});
    vpn.lab.advance(2_000);
    for (const path of ["wifi", "lte"]) vpn.network.kill(path, "blackhole");
    vpn.lab.advance(60_000);
    return vpn;
  },
  "nothing is reached from the beginning": () => {
    const vpn = openVpn({ policy: { connectMs: 20_000 } });
    for (const path of ["wifi", "lte"]) vpn.network.kill(path, "closed");
    vpn.lab.advance(30_000);
    return vpn;
  },
  "the session is too old": () => {
    const vpn = steady({ gateway: { policy: { sessionTtlMs: 5_000 } } });
    vpn.lab.advance(10_000);
    return vpn;
  },
  "the session may not move": () => {
    const vpn = steady({
      gateway: { policy: { maxSwitchesPerMinute: 1 } },
      policy: { cooldownMs: 0, probeMs: 0 },
    });
    for (let n = 0; n < 4; n++) {
      vpn.client.ask("vpn.client", "jump", {});
      vpn.lab.advance(1_000);
    }
    return vpn;
  },
  "the client may not move": () => {
    const vpn = steady({ policy: { cooldownMs: 5_000, maxSwitchesPerMinute: 1 } });
    for (let n = 0; n < 4; n++) {
      vpn.client.ask("vpn.client", "jump", {});
      vpn.lab.advance(3_000);
    }
    return vpn;
  },
  "the machine sleeps": () => {
    const vpn = steady();
    vpn.client.sleep(60_000);
    vpn.lab.advance(2_000);
    return vpn;
  },
  "large frames are lost": () => {
    const vpn = below({ probeMs: 1_000 }, ({ network }) => {
      for (const path of network.paths.keys()) network.kill(path, "small");
    });
    return vpn;
  },
  "frames are slow": () =>
    below({ maxLatencyMs: 50 }, ({ network }, path) => network.latencyMs.set(path, 100)),
  "frames are lost": () => below({ maxLossPercent: 5 }, ({ network }, path) => network.loss.set(path, 0.5)),
  "nobody answers": () => {
    const vpn = steady({ policy: { watchMs: 500, probeMs: 1_000, belowPings: 2, ofPings: 3 } });
    vpn.lab.faults.deafNode = "gateway";
    vpn.lab.advance(10_000);
    vpn.client.ask("vpn.client", "jump", {});
    vpn.lab.advance(5_000);
    return vpn;
  },
  "the owner does not answer": () => {
    const vpn = steady();
    vpn.gateway.deaf.add(SPECS.session.id);
    inject(vpn, create(0));
    vpn.lab.advance(3_000);
    vpn.network.kill(active(vpn), "closed");
    vpn.lab.advance(10_000);
    return vpn;
  },
  "a channel is held for nothing": () => {
    const vpn = steady({ gateway: { unboundMs: 2_000 } });
    const holder = { name: "holder", up: true, boots: 1, report: () => {} };
    vpn.network.driver(holder).call("open", { pathId: "lte" }, () => {});
    vpn.lab.advance(5_000);
    return vpn;
  },
  "strangers ask for more than there is": () => {
    const vpn = steady({
      gateway: { admit: "any", requestsPerMinute: 40, framesPerMinute: 400 },
      session: { maxSessions: 1 },
    });
    inject(vpn, create(1));
    inject(vpn, create(2), keyOf(0));
    for (let n = 0; n < 20; n++) inject(vpn, create(n), keyOf(1));
    for (let n = 0; n < 120; n++)
      vpn.network.inject(vpn.gateway, CHANNEL, "wifi", keyOf(n + 2), { type: "none" });
    vpn.lab.advance(60_000);
    return vpn;
  },
};

test("whatever is said of a decision that a number made carries that number, and each is said", () => {
  const seen = new Set<string>();
  for (const [title, play] of Object.entries(SCENES)) {
    const vpn = play();
    const said = [...vpn.gateway.published, ...vpn.client.published].map(({ event }) => event);
    for (const event of said) {
      const reason = event["reason"] as string;
      const { by: names, unless } = DECISIONS[reason] ?? NONE;
      if (names.length === 0) continue;
      const { bound, limit, value, unit } = (evidenceOf(event)["bound"] ?? {}) as JsonObject;
      if (bound === undefined && unless?.(event) === true) continue;
      const shown = `${title}: ${JSON.stringify(event)}`;
      assert.ok(names.includes(bound as string), shown);
      assert.ok(Number.isFinite(limit) && Number.isFinite(value) && typeof unit === "string", shown);
      seen.add(`${reason} ${bound as string}`);
    }
  }
  const session = birth("ses_00000000000000000000", KEYS.client, usualPolicy(SESSION_POLICY), 0);
  for (const trigger of ["sessionClock", "lossClock"] as const) {
    const early = step(session, { trigger }, 1);
    if (early.kind === "rejected") seen.add(`${early.reason} ${early.bound?.bound}`);
  }
  const unsaid = Object.entries(DECISIONS).filter(
    ([reason, { by: names }]) => names.length > 0 && !names.some((name) => seen.has(`${reason} ${name}`)),
  );
  assert.deepEqual(
    unsaid.map(([reason]) => reason),
    ["ANSWER_UNFIT"],
    [...seen].toSorted().join(", "),
  );
});
