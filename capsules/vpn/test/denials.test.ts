/** Nothing is denied in silence: each reason of a gateway and of a session's owner is an event with what decided. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, JsonObject } from "@vnes/sdk";
import { SPECS } from "./specs.ts";
import { KEYS, openVpn, type Vpn } from "./vpn.ts";

const CHANNEL = "chn_eeeeeeeeeeeeeeeeeeee";
const NONCE = "non_44444444444444444444";

function denials(vpn: Vpn): readonly JsonObject[] {
  return vpn.gateway.published.filter(({ topic }) => topic === "vpn.denial.v1").map(({ event }) => event);
}

function denial(vpn: Vpn, reason: string): JsonObject {
  const found = denials(vpn).find((one) => one["reason"] === reason);
  assert.ok(found, `${reason} in ${JSON.stringify(denials(vpn))}`);
  return found;
}

function connected(vpn: Vpn): string {
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  return vpn.sessionId() as string;
}

function inject(vpn: Vpn, frame: JsonObject, peer: string = KEYS.client): void {
  vpn.network.inject(vpn.gateway, CHANNEL, "wifi", peer, frame);
  vpn.lab.advance(50);
}

test("a key that is not admitted, a frame that is none, and a flood are events of the gateway", () => {
  const vpn = openVpn({ gateway: { requestsPerMinute: 8 } });
  const id = connected(vpn);
  inject(vpn, { v: 1, type: "create", nonce: NONCE }, KEYS.stranger);
  inject(vpn, { v: 1, type: "shout", text: "hello" });
  for (let n = 0; n < 50; n++) inject(vpn, { v: 1, type: "ping", nonce: NONCE, sessionId: id });
  const stranger = denial(vpn, "PEER_NOT_ADMITTED");
  assert.deepEqual(
    [stranger["peer"], stranger["by"], stranger["evidence"]],
    [KEYS.stranger, "gateway", { admitted: 1 }],
  );
  assert.deepEqual(denial(vpn, "FRAME_MALFORMED")["evidence"], { type: "shout", characters: 37 });
  const limited = denial(vpn, "RATE_LIMITED");
  assert.equal((limited["evidence"] as { bound: { limit: number } }).bound.limit, 2);
  assert.equal(limited["count"], 1);
  vpn.lab.advance(61_000);
  const later = denials(vpn).filter(({ reason }) => reason === "RATE_LIMITED");
  assert.equal(later.length, 2);
  assert.ok(Number(later[1]?.["count"]) >= 40);
});

const keyOf = (n: number): string => `${String(n).padStart(43, "A")}=`;
const PING = {
  v: 1,
  type: "ping",
  nonce: NONCE,
  sessionId: "ses_00000000000000000000",
  size: 0,
  below: null,
};

test("frames of many keys, each within its own rate, are bounded together; a client that is told so waits and goes on", () => {
  const vpn = openVpn({ gateway: { admit: "any", framesPerMinute: 240 } });
  const id = connected(vpn);
  for (let n = 0; n < 100; n++) vpn.network.inject(vpn.gateway, CHANNEL, "wifi", keyOf(n), PING);
  vpn.lab.advance(1);
  const bound = { bound: "framesPerMinute / 4", limit: 60, value: 61, unit: "frames" };
  const { evidence, by } = denial(vpn, "GATEWAY_OVERLOADED");
  const { allowedAt, ...rest } = evidence as JsonObject;
  assert.deepEqual([rest, by], [{ bound }, "gateway"]);
  assert.ok(Number(allowedAt) >= vpn.lab.now + 900, "not at the rate of one more frame");

  vpn.network.kill(vpn.activePath() as string, "closed");
  const told = (): JsonObject | undefined =>
    vpn.client.published.map(({ event }) => event).find(({ reason }) => reason === "GATEWAY_OVERLOADED");
  assert.ok(vpn.lab.until(() => told() !== undefined, 100));
  const said = told()?.["evidence"] as JsonObject;
  assert.deepEqual([told()?.["event"], said["by"], said["bound"]], ["denied", "gateway", bound]);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 5_000));
  assert.equal(vpn.sessionId(), id);
  vpn.check();
});

test("what one key sends beyond its own rate takes nothing from the others", () => {
  const vpn = openVpn({ gateway: { admit: "any", framesPerMinute: 240, requestsPerMinute: 8 } });
  connected(vpn);
  for (let n = 0; n < 300; n++) inject(vpn, PING, keyOf(1));
  const { counters } = vpn.gateway.value("vpn.gateway", "status", {}) as { counters: JsonObject };
  assert.ok(Number(counters["rejected.RATE_LIMITED"]) >= 200);
  assert.equal(counters["rejected.GATEWAY_OVERLOADED"], undefined);
});

test("what the session's owner rejects is an event with what was claimed and what is so", () => {
  const vpn = openVpn();
  const id = connected(vpn);
  const reattach = { v: 1, type: "reattach", nonce: NONCE, sessionId: id, epoch: 0, version: 1 };
  inject(vpn, reattach);
  const stale = denial(vpn, "EPOCH_STALE");
  assert.deepEqual(
    [stale["sessionId"], stale["asked"], stale["state"], stale["epoch"], stale["by"]],
    [id, "reattach", "ATTACHED", 1, "session"],
  );
  assert.deepEqual((stale["evidence"] as JsonObject)["claimed"], { epoch: 0, version: 1, nonce: NONCE });
  // The same nonce gets the recorded answer, which was said already.
  inject(vpn, reattach);
  assert.equal(denials(vpn).filter(({ reason }) => reason === "EPOCH_STALE").length, 1);
  inject(vpn, { v: 1, type: "create", nonce: NONCE.replace("non_44", "non_55") });
  const second = denial(vpn, "OWNER_HAS_SESSION");
  assert.equal((second["evidence"] as { bound: { limit: number } }).bound.limit, 1);
});

test("a person's request that changes nothing is an event too", () => {
  const vpn = openVpn();
  const sessionId = connected(vpn);
  const conflict = vpn.gateway.ask("vpn.session", "terminate", { sessionId, expectedVersion: 900 });
  assert.ok(!conflict.ok);
  const said = denial(vpn, "VERSION_CONFLICT");
  assert.deepEqual([said["peer"], (said["evidence"] as JsonObject)["caller"]], [null, "control"]);
  assert.equal(vpn.gateway.value("vpn.session", "terminate", { sessionId })["outcome"], "terminated");
  vpn.lab.advance(100);
  assert.equal(vpn.gateway.value("vpn.session", "terminate", { sessionId })["outcome"], "terminated");
  inject(vpn, { v: 1, type: "close", nonce: NONCE, sessionId });
  const ended = denials(vpn).filter(({ reason }) => reason === "SESSION_TERMINATED");
  assert.deepEqual(ended, [], "an end that is asked for again denies nothing, to a person or to its client");
  assert.ok(vpn.gateway.ask("vpn.session", "degrade", { sessionId }));
  assert.equal(
    (denial(vpn, "SESSION_TERMINATED")["evidence"] as JsonObject)["endedFor"],
    "OPERATOR_TERMINATED",
  );
});

test("switches beyond the bound are said with the bound and the time the next is allowed", () => {
  const vpn = openVpn({ gateway: { policy: { maxSwitchesPerMinute: 1 } }, policy: { cooldownMs: 0 } });
  connected(vpn);
  for (let n = 0; n < 4; n++) {
    vpn.client.ask("vpn.client", "jump", {});
    vpn.lab.advance(1_000);
  }
  const { evidence } = denial(vpn, "SWITCH_RATE_EXCEEDED") as { evidence: JsonObject };
  assert.equal((evidence["bound"] as JsonObject)["limit"], 1);
  assert.ok(Number(evidence["allowedAt"]) > vpn.lab.now);
});

test("a jump that is refused is an event of the client with its bound, said once while the same stands in the way", () => {
  const vpn = openVpn({ policy: { cooldownMs: 5_000 } });
  connected(vpn);
  const jumps = ["lte", "wifi", "wifi", "mars"].map((pathId) => {
    const answer = vpn.client.ask("vpn.client", "jump", { pathId });
    vpn.lab.advance(1_000);
    return answer.ok ? "jumps" : answer.code;
  });
  assert.deepEqual(jumps, ["jumps", "CLIENT_JUMP_REFUSED", "CLIENT_JUMP_REFUSED", "CLIENT_PATH_UNKNOWN"]);
  const denied = (vpn.status()["recent"] as readonly JsonObject[]).filter(({ event }) => event === "denied");
  assert.deepEqual(
    denied.map(({ reason, pathId }) => [reason, pathId]),
    [
      ["COOLDOWN", "wifi"],
      ["PATH_UNKNOWN", "mars"],
    ],
  );
  const [first = {}] = denied;
  const { bound, by } = first["evidence"] as { bound: JsonObject; by: string };
  assert.deepEqual([bound["bound"], bound["limit"], by], ["policy.cooldownMs", 5_000, "person"]);
});

test("a session that is ended because its key is no longer admitted says so", () => {
  const vpn = openVpn();
  connected(vpn);
  vpn.gateway.reconfigure("vnes.vpn.gateway", { admit: [] });
  vpn.lab.advance(1_000);
  const end = vpn.moves().at(-1) ?? {};
  assert.deepEqual(
    [end["reason"], (end["evidence"] as JsonObject)["why"]],
    ["POLICY_TERMINATED", "PEER_NOT_ADMITTED"],
  );
});

const unbound = (vpn: Vpn): readonly JsonObject[] =>
  denials(vpn).filter(({ reason }) => reason === "UNBOUND");

test("a channel that is held and carries no session is closed and denied once, with how long it might", () => {
  const vpn = openVpn({ gateway: { unboundMs: 2_000 } });
  connected(vpn);
  const holder = { name: "holder", up: true, boots: 1, report: () => {} };
  let opened: Answer | undefined;
  vpn.network.driver(holder).call("open", { pathId: "lte" }, (answer) => {
    opened = answer;
  });
  vpn.lab.advance(1_000);
  assert.equal(opened?.ok, true);
  assert.equal(vpn.network.openEnds(vpn.gateway), 2);
  assert.deepEqual(unbound(vpn), []);
  vpn.lab.advance(2_000);
  assert.equal(vpn.network.openEnds(vpn.gateway), 1);
  const [held, ...more] = unbound(vpn);
  assert.deepEqual([held?.["asked"], held?.["pathId"], more], ["hold", "lte", []]);
  const bound = { bound: "unboundMs", limit: 2_000, value: 2_000, unit: "ms" };
  assert.deepEqual(held?.["evidence"], { bound });
});

test("a ping that comes when its channel is closed already, or a close that nobody heard of, is no channel held", () => {
  const vpn = openVpn({ gateway: { standbyMs: 3_000, unboundMs: 2_000 } });
  const id = connected(vpn);
  const from = vpn.activePath();
  const { channelId } = vpn.status()["active"] as { channelId: string };
  const there = vpn.gateway.value("vpn.gateway", "status", {})["sessions"] as { channelId: string }[];
  const left = there[0]?.channelId as string;
  assert.notEqual(left, channelId);
  vpn.network.kill(from as string, "closed");
  assert.ok(vpn.lab.until(() => vpn.activePath() !== from, 5_000));
  vpn.network.inject(vpn.gateway, left, from as string, KEYS.client, {
    v: 1,
    type: "ping",
    nonce: NONCE,
    sessionId: id,
    size: 0,
    below: null,
  });
  vpn.lab.advance(1);
  assert.ok(vpn.gateway.timersOf(SPECS.gateway.id).includes(`unbound:${left}`), "the ping is waited for");
  vpn.lab.advance(10_000);
  assert.deepEqual(unbound(vpn), []);
  const { counters } = vpn.gateway.value("vpn.gateway", "status", {}) as { counters: JsonObject };
  assert.deepEqual([counters["unboundGone"], counters["unboundClosed"]], [1, undefined]);
  vpn.check();
});
