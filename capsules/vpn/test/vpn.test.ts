/** The whole VPN: one session through a hundred deaths, lost answers, restarts and everything at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/sdk";
import { NO_FAULTS } from "./lab.ts";
import { KEYS, openVpn, type Vpn } from "./vpn.ts";

function connected(vpn: Vpn): string {
  assert.ok(
    vpn.lab.until(() => vpn.mode() === "steady", 10_000),
    JSON.stringify(vpn.status(), null, 1),
  );
  const id = vpn.sessionId();
  assert.ok(id);
  return id;
}

/** Kills the active path and waits for the session on another one; how long that took. */
function survive(vpn: Vpn, how: "closed" | "blackhole"): number {
  const from = vpn.activePath();
  assert.ok(from);
  const switches = Number((vpn.status()["counters"] as JsonObject)["switched"] ?? 0);
  const since = vpn.lab.now;
  vpn.network.kill(from, how);
  const jumped = (): boolean =>
    vpn.mode() === "steady" &&
    vpn.activePath() !== from &&
    Number((vpn.status()["counters"] as JsonObject)["switched"]) > switches;
  assert.ok(vpn.lab.until(jumped, 60_000), JSON.stringify(vpn.status(), null, 1));
  const took = vpn.lab.now - since;
  vpn.lab.advance(100);
  vpn.network.revive(from);
  return took;
}

test("a session survives 120 deaths of its transport with one id, version +1 each step and one binding (V1, V3, V4, V8)", () => {
  const vpn = openVpn();
  const id = connected(vpn);
  for (let death = 0; death < 120; death++) {
    const took = survive(vpn, death % 2 === 0 ? "closed" : "blackhole");
    assert.ok(took < 1000, `death ${death} took ${took} ms`);
    assert.equal(vpn.sessionId(), id);
    vpn.check();
    vpn.lab.advance(2100);
  }
  const { session } = vpn.status() as { session: { epoch: number } };
  assert.equal(session.epoch, 121);
  assert.equal(new Set(vpn.moves().map((move) => move["sessionId"])).size, 1);
});

test("the path that came back before it was dead is kept, without a switch", () => {
  // One path only: there is nowhere to go, so the client can only wait and reattach here.
  const vpn = openVpn({ policy: { cooldownMs: 5000 } });
  connected(vpn);
  survive(vpn, "closed");
  const path = vpn.activePath();
  assert.ok(path);
  const before = Number((vpn.status()["counters"] as JsonObject)["switched"]);
  vpn.network.kill(path, "blackhole");
  vpn.lab.advance(400);
  assert.equal(vpn.mode(), "suspect");
  assert.equal((vpn.status()["waiting"] as JsonObject)["reason"], "COOLDOWN");
  vpn.network.revive(path);
  vpn.lab.advance(50);
  assert.equal(vpn.mode(), "steady");
  assert.equal(vpn.activePath(), path);
  vpn.lab.advance(10_000);
  assert.equal(Number((vpn.status()["counters"] as JsonObject)["switched"]), before);
  const reasons = vpn.moves().map((move) => move["reason"]);
  assert.deepEqual(reasons.slice(-2), ["PATH_SILENT", "PATH_ALIVE"]);
  vpn.check();
});

test("an accepted answer that is lost is asked for again with the same nonce and binds once", () => {
  const vpn = openVpn();
  const id = connected(vpn);
  vpn.lab.advance(1000);
  const epoch = Number(vpn.moves().at(-1)?.["epoch"]);
  const from = vpn.activePath() as string;
  vpn.network.kill(from, "closed");
  // The request goes through, its answer does not.
  vpn.lab.faults.deafNode = "client";
  assert.ok(vpn.lab.until(() => Number(vpn.moves().at(-1)?.["epoch"]) === epoch + 1, 2000));
  vpn.lab.advance(200);
  assert.equal(vpn.mode(), "recovering");
  vpn.lab.faults.deafNode = null;
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 2000));
  assert.equal(vpn.sessionId(), id);
  assert.equal(Number(vpn.moves().at(-1)?.["epoch"]), epoch + 1);
  const sessions = vpn.gateway.value("vpn.session", "list", {})["counters"] as JsonObject;
  assert.equal(sessions["repeated"], 1);
  vpn.check();
});

test("a creation whose answer and channel are lost becomes no second session", () => {
  const vpn = openVpn();
  vpn.lab.faults.deafNode = "client";
  assert.ok(vpn.lab.until(() => vpn.moves().some((move) => move["to"] === "ATTACHED"), 2000));
  vpn.lab.advance(50);
  vpn.network.kill("lte", "closed");
  vpn.network.kill("wifi", "closed");
  vpn.lab.advance(500);
  assert.equal(vpn.sessionId(), null);
  vpn.lab.faults.deafNode = null;
  vpn.network.revive("lte");
  vpn.network.revive("wifi");
  const id = connected(vpn);
  assert.deepEqual([...new Set(vpn.moves().map((move) => move["sessionId"]))], [id]);
  vpn.check();
});

for (const side of ["client", "gateway"] as const) {
  test(`a ${side} that restarts reattaches the same session over a new channel (V3)`, () => {
    const vpn = openVpn();
    const id = connected(vpn);
    for (let round = 0; round < 10; round++) {
      vpn.lab.advance(500 + round * 37);
      vpn[side].restart(round * 50);
      assert.ok(
        vpn.lab.until(() => vpn.mode() === "steady" && vpn.moves().at(-1)?.["to"] === "ATTACHED", 20_000),
      );
      // The gateway's own list and the client agree on one channel.
      vpn.lab.advance(3000);
      assert.equal(vpn.mode(), "steady");
      assert.equal(vpn.sessionId(), id);
      vpn.check();
    }
    assert.equal(vpn.network.openEnds(vpn.client), 1, "no channel is left behind");
    assert.equal(vpn.network.openEnds(vpn.gateway), 1);
  });
}

test("a client whose transports all stay dead ends explicitly, and the gateway ends the session by its own clock", () => {
  const vpn = openVpn({
    policy: { recoveryMs: 5000 },
    gateway: { policy: { transportLossTtlMs: 8000 } },
  });
  const id = connected(vpn);
  vpn.network.kill("wifi", "blackhole");
  vpn.network.kill("lte", "blackhole");
  assert.ok(vpn.lab.until(() => vpn.mode() === "ended", 6000));
  assert.equal(vpn.status()["reason"], "RECOVERY_EXPIRED");
  assert.equal(vpn.sessionId(), id);
  assert.ok(vpn.lab.until(() => vpn.moves().at(-1)?.["to"] === "TERMINATED", 10_000));
  assert.equal(vpn.moves().at(-1)?.["reason"], "TRANSPORT_LOSS_TTL_EXPIRED");
  vpn.network.revive("wifi");
  vpn.network.revive("lte");
  vpn.lab.advance(120_000);
  assert.equal(vpn.mode(), "ended", "no new identity by itself");
  assert.equal(vpn.moves().at(-1)?.["to"], "TERMINATED");
  vpn.check();
});

test("a new session follows an explicit end only where the configuration says so, and says what it replaces", () => {
  const vpn = openVpn({ client: { renew: true, renewDelayMs: 500 } });
  const id = connected(vpn);
  assert.equal(vpn.gateway.value("vpn.session", "terminate", { sessionId: id })["outcome"], "terminated");
  assert.ok(vpn.lab.until(() => vpn.sessionId() !== null && vpn.sessionId() !== id, 5000));
  connected(vpn);
  const events = vpn.client.published.map((one) => one.event);
  assert.ok(events.some((event) => event["event"] === "ended" && event["reason"] === "OPERATOR_TERMINATED"));
  const renewed = events.find((event) => event["event"] === "renewed");
  assert.deepEqual(
    [renewed?.["reason"], (renewed?.["evidence"] as JsonObject | undefined)?.["previous"]],
    ["OPERATOR_TERMINATED", id],
  );
  vpn.check();
});

test("an ended session stays ended through a restart, until a person asks for a new one", () => {
  const vpn = openVpn();
  const id = connected(vpn);
  const early = vpn.client.ask("vpn.client", "renew", {});
  assert.ok(!early.ok && early.code === "CLIENT_NOT_ENDED");
  vpn.client.value("vpn.client", "close", {});
  vpn.lab.advance(1000);
  vpn.client.restart(100);
  vpn.lab.advance(5000);
  assert.deepEqual([vpn.mode(), vpn.sessionId()], ["ended", id]);
  assert.equal(vpn.client.value("vpn.client", "renew", {})["previous"], id);
  assert.notEqual(connected(vpn), id);
  vpn.check();
});

test("a client that was not admitted tries again when it starts again: it has no identity to lose", () => {
  const vpn = openVpn({ gateway: { admit: [] } });
  assert.ok(vpn.lab.until(() => vpn.mode() === "ended", 5000));
  vpn.client.restart(100);
  assert.equal(vpn.mode(), "seeking");
  assert.ok(vpn.lab.until(() => vpn.mode() === "ended", 5000));
});

test("a session that reaches its greatest age ends on both sides with that reason", () => {
  const vpn = openVpn({ gateway: { policy: { sessionTtlMs: 20_000 } } });
  connected(vpn);
  vpn.lab.advance(25_000);
  assert.equal(vpn.moves().at(-1)?.["reason"], "SESSION_TTL_EXPIRED");
  assert.equal(vpn.mode(), "ended");
  assert.equal(vpn.status()["reason"], "SESSION_TTL_EXPIRED");
  vpn.check();
});

test("a client that is not admitted is told so, its channel is closed, and nothing is kept of it", () => {
  const vpn = openVpn({ gateway: { admit: [] } });
  assert.ok(vpn.lab.until(() => vpn.mode() === "ended", 5000));
  assert.equal(vpn.status()["reason"], "PEER_NOT_ADMITTED");
  vpn.lab.advance(1000);
  assert.equal(vpn.moves().length, 0);
  assert.equal(vpn.network.openEnds(vpn.gateway), 0);
  const { counters } = vpn.gateway.value("vpn.gateway", "status", {}) as { counters: JsonObject };
  assert.ok(Number(counters["rejected.PEER_NOT_ADMITTED"]) >= 1);
});

test("closing the client ends the session at the gateway with the client's reason", () => {
  const vpn = openVpn();
  const id = connected(vpn);
  assert.equal(vpn.client.value("vpn.client", "close", {})["sessionId"], id);
  vpn.lab.advance(1000);
  assert.equal(vpn.moves().at(-1)?.["reason"], "CLIENT_CLOSED");
  assert.equal(vpn.mode(), "ended");
  assert.equal(vpn.network.openEnds(vpn.gateway), 0);
  const again = vpn.client.ask("vpn.client", "close", {});
  assert.ok(!again.ok && again.code === "CLIENT_NOT_RUNNING");
});

test("a person's jump switches path and is refused inside the cooldown", () => {
  const vpn = openVpn({ policy: { cooldownMs: 3000 } });
  const id = connected(vpn);
  const from = vpn.activePath();
  vpn.lab.advance(100);
  const { pathId } = vpn.client.value("vpn.client", "jump", {});
  assert.notEqual(pathId, from);
  assert.ok(vpn.lab.until(() => vpn.activePath() === pathId && vpn.mode() === "steady", 2000));
  const refused = vpn.client.ask("vpn.client", "jump", {});
  assert.ok(!refused.ok && refused.code === "CLIENT_JUMP_REFUSED");
  const unknown = vpn.client.ask("vpn.client", "jump", { pathId: "nowhere" });
  assert.ok(!unknown.ok && unknown.code === "CLIENT_PATH_UNKNOWN");
  assert.equal(vpn.sessionId(), id);
  vpn.check();
});

test("switches are bounded per minute on both sides, and each denial has its reason (V7)", () => {
  const vpn = openVpn({
    policy: { cooldownMs: 0, maxSwitchesPerMinute: 600 },
    gateway: { policy: { maxSwitchesPerMinute: 5 }, requestsPerMinute: 60_000 },
  });
  const id = connected(vpn);
  for (let turn = 0; turn < 400; turn++) {
    const path = vpn.activePath();
    if (path !== null) vpn.network.kill(path, "closed");
    vpn.lab.advance(100);
    for (const one of ["wifi", "lte"]) vpn.network.revive(one);
    vpn.lab.advance(100);
    if (vpn.mode() === "ended") break;
  }
  vpn.check();
  const switches = vpn.moves().filter((move) => move["reason"] === "REATTACHED");
  for (const move of switches) {
    const at = Number(move["at"]);
    const inWindow = switches.filter((one) => Number(one["at"]) > at - 60_000 && Number(one["at"]) <= at);
    assert.ok(inWindow.length <= 5, `${inWindow.length} switches within a minute`);
  }
  assert.ok(switches.length >= 5);
  const { counters } = vpn.status() as { counters: JsonObject };
  assert.ok(Number(counters["denied.SWITCH_RATE_EXCEEDED"]) > 0);
  assert.equal(vpn.sessionId(), id);
});

test("through lost, doubled, late frames and events, deaths and restarts, the session survives or ends with a reason", () => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= 40; seed++) {
    const vpn = openVpn({
      seed,
      gateway: { policy: { maxSwitchesPerMinute: 600 } },
      policy: { maxSwitchesPerMinute: 600 },
    });
    Object.assign(vpn.lab.faults, {
      frameLost: 0.15,
      frameTwice: 0.1,
      frameLate: 0.15,
      eventLost: 0.05,
      eventTwice: 0.05,
    });
    for (let turn = 0; turn < 60; turn++) {
      const what = vpn.lab.random();
      const path = vpn.lab.random() < 0.5 ? "wifi" : "lte";
      if (what < 0.2) vpn.network.kill(path, "closed");
      else if (what < 0.4) vpn.network.kill(path, "blackhole");
      else if (what < 0.45) vpn.client.restart(Math.floor(vpn.lab.random() * 300));
      else if (what < 0.5) vpn.gateway.restart(Math.floor(vpn.lab.random() * 300));
      else vpn.network.revive(path);
      vpn.lab.advance(Math.floor(vpn.lab.random() * 900));
      vpn.check();
    }
    Object.assign(vpn.lab.faults, NO_FAULTS);
    for (const path of ["wifi", "lte"]) vpn.network.revive(path);
    const first = vpn.moves()[0]?.["sessionId"];
    const settled = (): boolean => vpn.mode() === "steady" || vpn.mode() === "ended";
    assert.ok(vpn.lab.until(settled, 60_000), `seed ${seed}: ${JSON.stringify(vpn.status(), null, 1)}`);
    // Long enough for a path that was lossy to be within policy again.
    vpn.lab.advance(30_000);
    vpn.check();
    assert.ok(settled(), `seed ${seed}`);
    assert.ok(
      first === undefined || vpn.sessionId() === null || vpn.sessionId() === first,
      `seed ${seed}: identity`,
    );
    if (vpn.mode() === "steady") {
      const { session, active } = vpn.status() as { session: { epoch: number }; active: JsonObject };
      assert.equal(vpn.moves().at(-1)?.["to"], "ATTACHED", `seed ${seed}`);
      assert.equal(vpn.moves().at(-1)?.["epoch"], session.epoch, `seed ${seed}`);
      assert.ok(active);
    }
    const end = vpn.mode() === "steady" ? "steady" : (vpn.status()["reason"] as string);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  assert.ok((ends.get("steady") ?? 0) >= 30, JSON.stringify([...ends]));
});

test("frames that are not of the protocol change nothing, whoever proves a key", () => {
  const vpn = openVpn();
  connected(vpn);
  const before = vpn.moves().length;
  const id = vpn.sessionId() as string;
  const nonce = "non_00000000000000000000";
  const reattach = { v: 1, type: "reattach", nonce, sessionId: id, epoch: 1, version: 2 };
  const bad: JsonObject[] = [
    {},
    { v: 2, type: "create", nonce },
    { v: 1, type: "create" },
    { v: 1, type: "create", nonce: "short" },
    { v: 1, type: "create", nonce, owner: KEYS.gateway },
    { v: 1, type: "constructor", nonce },
    { ...reattach, epoch: -1 },
    { ...reattach, epoch: 1.5 },
    { ...reattach, version: "2" },
    { ...reattach, sessionId: "../ses" },
    { v: 1, type: "close", nonce, sessionId: "ses_0000000000000000000z" },
    { v: 1, type: "accepted", nonce, sessionId: id, version: 9, epoch: 9, reason: "REATTACHED" },
  ];
  const channelId = "chn_ffffffffffffffffffff";
  for (const frame of bad) {
    vpn.network.inject(vpn.gateway, channelId, "wifi", KEYS.client, frame);
    vpn.lab.advance(300);
  }
  assert.equal(vpn.moves().length, before);
  // A stranger who names the session gets nothing of it, even with every field right.
  vpn.network.inject(vpn.gateway, channelId, "wifi", KEYS.stranger, reattach);
  vpn.lab.advance(300);
  assert.equal(vpn.moves().length, before);
  vpn.check();
});

test("an admitted client cannot touch another's session (V3, G4)", () => {
  const vpn = openVpn({ gateway: { admit: "any" } });
  const id = connected(vpn);
  const before = vpn.moves().length;
  const nonce = "non_11111111111111111111";
  const channelId = "chn_eeeeeeeeeeeeeeeeeeee";
  for (const frame of [
    { v: 1, type: "reattach", nonce, sessionId: id, epoch: 1, version: 2 },
    { v: 1, type: "reattach", nonce, sessionId: id, epoch: 1, version: 999 },
    { v: 1, type: "close", nonce, sessionId: id },
    { v: 1, type: "ping", nonce, sessionId: id, size: 1400, below: null },
  ]) {
    vpn.network.inject(vpn.gateway, channelId, "wifi", KEYS.stranger, frame);
    vpn.lab.advance(100);
  }
  assert.equal(vpn.moves().length, before);
  assert.equal(vpn.mode(), "steady");
});

test("of two reattaches at once over two channels to one gateway exactly one wins, and the other is told where the session stands", () => {
  for (const laterMs of [0, 1, 2, 5]) {
    const vpn = openVpn();
    const sessionId = connected(vpn);
    vpn.lab.advance(1_000);
    const frames: JsonObject[] = [];
    const report = ({ event, frame }: JsonObject): void => {
      if (event === "frame") frames.push(frame as JsonObject);
    };
    // The same key in two places.
    const twin = vpn.network.driver({ name: "twin", up: true, boots: 1, report });
    const channels = ["wifi", "lte"].map((pathId) => {
      let channelId = "";
      twin.call("open", { pathId }, (answer) => {
        assert.ok(answer.ok);
        ({ channelId } = answer.value as { channelId: string });
      });
      vpn.lab.advance(100);
      return channelId;
    });
    for (const [index, channelId] of channels.entries()) {
      const frame = {
        v: 1,
        type: "reattach",
        nonce: `non_at_once_${index}`,
        sessionId,
        epoch: 1,
        version: 2,
      };
      twin.call("send", { channelId, frame }, ({ ok }) => assert.ok(ok));
      vpn.lab.advance(laterMs);
    }
    vpn.lab.advance(20);
    const told = frames.map(({ type, reason, epoch }) => JSON.stringify([type, reason, epoch])).sort();
    const [accepted, rejected] = ['["accepted","REATTACHED",2]', '["rejected","EPOCH_STALE",2]'];
    assert.deepEqual(told, [accepted, rejected], `${laterMs} ms`);
    vpn.check();
  }
});

test("a client that has seen more than the owner made is terminated explicitly", () => {
  const vpn = openVpn();
  const id = connected(vpn);
  const nonce = "non_22222222222222222222";
  const frame = { v: 1, type: "reattach", nonce, sessionId: id, epoch: 1, version: 999 };
  vpn.network.inject(vpn.gateway, "chn_dddddddddddddddddddd", "wifi", KEYS.client, frame);
  vpn.lab.advance(500);
  assert.equal(vpn.moves().at(-1)?.["reason"], "VERSION_AHEAD");
  assert.equal(vpn.mode(), "ended");
  assert.equal(vpn.status()["reason"], "VERSION_AHEAD");
  vpn.check();
});

test("a flood of frames is answered once and counted", () => {
  const vpn = openVpn({ gateway: { requestsPerMinute: 8 } });
  connected(vpn);
  const nonce = "non_33333333333333333333";
  const sessionId = vpn.sessionId() as string;
  for (let n = 0; n < 200; n++) {
    const frame = { v: 1, type: "ping", nonce, sessionId, size: 0, below: null };
    vpn.network.inject(vpn.gateway, "chn_cccccccccccccccccccc", "wifi", KEYS.client, frame);
  }
  vpn.lab.advance(10);
  const { counters } = vpn.gateway.value("vpn.gateway", "status", {}) as { counters: JsonObject };
  assert.ok(Number(counters["rejected.RATE_LIMITED"]) >= 198);
  assert.ok(Number(counters["send.TRANSPORT_CHANNEL_UNKNOWN"]) <= 4);
});

test("a person's close says over which path the gateway is told, or that it cannot be: then its own clock ends the session", () => {
  const well = openVpn();
  assert.ok(well.lab.until(() => well.mode() === "steady", 10_000));
  const path = well.activePath();
  assert.equal(well.client.value("vpn.client", "close", {})["toldOver"], path);
  assert.ok(well.lab.until(() => well.moves().at(-1)?.["reason"] === "CLIENT_CLOSED", 1_000));

  const cut = openVpn({ gateway: { policy: { transportLossTtlMs: 5_000 } } });
  assert.ok(cut.lab.until(() => cut.mode() === "steady", 10_000));
  for (const one of ["wifi", "lte"]) cut.network.kill(one, "closed");
  assert.ok(cut.lab.until(() => cut.mode() === "recovering" && cut.status()["attempt"] === null, 5_000));
  assert.equal(cut.client.value("vpn.client", "close", {})["toldOver"], null);
  assert.ok(cut.lab.until(() => cut.moves().at(-1)?.["to"] === "TERMINATED", 6_000));
  assert.equal(cut.moves().at(-1)?.["reason"], "TRANSPORT_LOSS_TTL_EXPIRED");
});
