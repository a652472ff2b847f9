/** What the client makes of paths that are bad in every way, of a machine that sleeps and moves, and of the paths it does not use. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/sdk";
import type { ClientEvent, PathHealth } from "../client/src/vocabulary.ts";
import type { Death } from "./network.ts";
import { type Options, openVpn, type Vpn } from "./vpn.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const PATIENT = { policy: { transportLossTtlMs: DAY_MS, sessionTtlMs: 7 * DAY_MS } };

function connected(options: Options = {}): Vpn {
  const vpn = openVpn(options);
  assert.ok(
    vpn.lab.until(() => vpn.mode() === "steady", 10_000),
    JSON.stringify(vpn.status(), null, 1),
  );
  return vpn;
}

const events = (vpn: Vpn): readonly ClientEvent[] =>
  vpn.client.published
    .filter(({ topic }) => topic === "vpn.client.v1")
    .map(({ event }) => event as unknown as ClientEvent);
const said = (vpn: Vpn, event: ClientEvent["event"]): readonly ClientEvent[] =>
  events(vpn).filter((one) => one.event === event);
const health = (vpn: Vpn, pathId: string): PathHealth =>
  (vpn.status()["candidates"] as unknown as (PathHealth & { pathId: string })[]).find(
    (one) => one.pathId === pathId,
  ) as PathHealth;
const counter = (vpn: Vpn, name: string): number =>
  Number((vpn.status()["counters"] as JsonObject)[name] ?? 0);
const state = (vpn: Vpn): unknown => vpn.moves().at(-1)?.["to"];
const active = (vpn: Vpn): string => vpn.activePath() ?? assert.fail(JSON.stringify(vpn.status(), null, 1));
const other = (vpn: Vpn): string => (active(vpn) === "wifi" ? "lte" : "wifi");
const moved = (vpn: Vpn, from: string): boolean => vpn.mode() === "steady" && vpn.activePath() !== from;

for (const how of ["noUplink", "noDownlink"] as const) {
  test(`a path that delivers one way only (${how}) is left as fast as one that is dead, and held back`, () => {
    const vpn = connected();
    const id = vpn.sessionId();
    const from = active(vpn);
    vpn.lab.advance(2_000);
    const since = vpn.lab.now;
    vpn.network.kill(from, how);
    assert.ok(vpn.lab.until(() => moved(vpn, from), 1_000));
    assert.ok(vpn.lab.now - since < 400, `${vpn.lab.now - since} ms`);
    const [told] = said(vpn, "suspected");
    assert.equal(told?.evidence["direction"], how === "noUplink" ? "out" : "in");
    assert.ok((health(vpn, from).retryAt ?? 0) > vpn.lab.now);
    const lastOkAt = health(vpn, from).lastOkAt;
    vpn.lab.advance(120_000);
    assert.equal(health(vpn, from).lastOkAt, lastOkAt, "it is not taken for healthy");
    assert.notEqual(health(vpn, from).lastFailure, null);
    assert.equal(vpn.activePath() !== from && vpn.sessionId() === id, true);
    vpn.network.revive(from);
    assert.ok(
      vpn.lab.until(() => health(vpn, from).retryAt === null, 400_000),
      "until it answers",
    );
    assert.equal(said(vpn, "pathAnswered").at(-1)?.pathId, from);
    vpn.check();
  });
}

test("a captive network is named once, tried ever more seldom, and never taken for a path", () => {
  const vpn = openVpn();
  vpn.network.kill("lte", "captive");
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 5_000));
  assert.equal(vpn.activePath(), "wifi");
  const bad = (): PathHealth => health(vpn, "lte");
  assert.deepEqual([bad().lastFailure, bad().lastOkAt], ["TRANSPORT_OPEN_FOREIGN", null]);
  vpn.lab.advance(HOUR_MS);
  assert.equal(said(vpn, "pathFailed").length, 1, "known failures are not repeated");
  const { failures } = bad();
  // Held back 5 s, 10 s ... 5 min, looked at every 30 s at the most.
  assert.ok(failures >= 10 && failures <= 18, `${failures} tries in an hour`);
  // The only other path dies: the captive one is tried, and fails, and the first is found again.
  vpn.network.kill("wifi", "closed");
  vpn.lab.advance(2_000);
  assert.equal(vpn.mode(), "recovering");
  vpn.network.revive("wifi");
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  vpn.network.revive("lte");
  assert.ok(vpn.lab.until(() => bad().lastFailure === null, 400_000));
  vpn.check();
});

test("a path that carries small frames only is below policy at both ends, and is left for one that carries large ones", () => {
  const vpn = connected();
  const from = active(vpn);
  const since = vpn.lab.now;
  vpn.network.kill(from, "small");
  assert.ok(vpn.lab.until(() => moved(vpn, from), 10_000));
  assert.ok(vpn.lab.now - since < 5_000, `${vpn.lab.now - since} ms`);
  const [told] = said(vpn, "degraded");
  assert.deepEqual([told?.pathId, told?.reason], [from, "LARGE_FRAMES_LOST"]);
  const [switched] = said(vpn, "switched");
  assert.equal(switched?.evidence["cause"], "LARGE_FRAMES_LOST");
  assert.ok(
    !events(vpn).some(({ event }) => event === "suspected" || event === "lost"),
    "nobody was in trouble",
  );
  vpn.lab.advance(60_000);
  assert.equal(health(vpn, from).lastFailure, "LARGE_FRAMES_LOST", "by its probe");
  assert.deepEqual([state(vpn), active(vpn) === from], ["ATTACHED", false]);
  vpn.check();
});

test("with no other path a session below policy stays, says so, and is within policy again when the path is", () => {
  const vpn = connected({ paths: ["wifi"] });
  const id = vpn.sessionId();
  vpn.network.kill("wifi", "small");
  assert.ok(vpn.lab.until(() => state(vpn) === "DEGRADED", 10_000));
  assert.deepEqual(vpn.status()["quality"], { isBelow: true, reason: "LARGE_FRAMES_LOST" });
  assert.equal((vpn.status()["session"] as JsonObject)["state"], "DEGRADED");
  assert.equal(vpn.moves().at(-1)?.["reason"], "BELOW_POLICY");
  vpn.lab.advance(10 * 60_000);
  assert.deepEqual([vpn.mode(), vpn.sessionId(), state(vpn)], ["steady", id, "DEGRADED"]);
  vpn.network.revive("wifi");
  assert.ok(vpn.lab.until(() => state(vpn) === "ATTACHED", 60_000));
  assert.equal(vpn.moves().at(-1)?.["reason"], "POLICY_MET");
  assert.deepEqual(
    [said(vpn, "degraded").length, said(vpn, "restored").length, counter(vpn, "switched")],
    [1, 1, 0],
  );
  vpn.check();
});

test("a gateway that answers nobody ends no session: the channel is alive, and no other path is better", () => {
  const vpn = connected();
  const id = vpn.sessionId();
  vpn.gateway.deaf.add("vnes.vpn.session");
  vpn.lab.faults.deafNode = "gateway";
  vpn.lab.advance(5 * 60_000);
  assert.deepEqual([vpn.mode(), vpn.sessionId()], ["steady", id]);
  assert.equal(counter(vpn, "switched"), 0);
  vpn.lab.faults.deafNode = null;
  vpn.gateway.deaf.clear();
  assert.ok(
    vpn.lab.until(() => (vpn.status()["quality"] as JsonObject)["isBelow"] === false, 60_000),
    JSON.stringify(vpn.status(), null, 1),
  );
  vpn.check();
});

for (const [what, worsen, reason] of [
  ["loses half", (vpn: Vpn, path: string) => vpn.network.loss.set(path, 0.4), "loss"],
  ["is slow", (vpn: Vpn, path: string) => vpn.network.latencyMs.set(path, 120), "latency"],
] as const) {
  test(`a path that ${what} is left for a better one, and nobody flaps between two that are bad (${reason})`, () => {
    const policy = { maxLatencyMs: 100, answerMs: 300, watchMs: 500, probeMs: 2_000 };
    const vpn = connected({ policy });
    const from = active(vpn);
    worsen(vpn, from);
    assert.ok(
      vpn.lab.until(() => moved(vpn, from), 60_000),
      JSON.stringify(vpn.status(), null, 1),
    );
    const switches = counter(vpn, "switched");
    vpn.lab.advance(120_000);
    assert.equal(counter(vpn, "switched"), switches, "it stays on the good one");
    worsen(vpn, active(vpn));
    vpn.lab.advance(30 * 60_000);
    const more = counter(vpn, "switched") - switches;
    assert.ok(more <= 30, `${more} switches in half an hour between two bad paths`);
    assert.equal(vpn.mode(), "steady");
    vpn.check();
  });
}

test("paths that carry nothing are looked at one at a time, and what is learned ranks them, here and at routing", () => {
  for (const core of [undefined, { routing: {} }]) {
    const paths = ["dsl", "lte", "sat", "wifi"];
    const vpn = openVpn({ paths, policy: { probeMs: 1_000 }, ...(core === undefined ? {} : { core }) });
    for (const [pathId, ms] of [
      ["lte", 30],
      ["sat", 140],
      ["wifi", 10],
    ] as const)
      vpn.network.latencyMs.set(pathId, ms);
    assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 5_000));
    assert.equal(vpn.activePath(), "dsl");
    let most = 0;
    vpn.lab.until(() => {
      most = Math.max(most, vpn.network.openEnds(vpn.client));
      return false;
    }, 20_000);
    assert.equal(most, 2, "the active channel and one probe");
    for (const pathId of ["lte", "sat", "wifi"]) assert.notEqual(health(vpn, pathId).latencyMs, null);
    vpn.network.kill("dsl", "closed");
    assert.ok(vpn.lab.until(() => moved(vpn, "dsl"), 1_000));
    assert.equal(vpn.activePath(), "wifi");
    const choice = said(vpn, "switched")[0]?.evidence["choice"] as JsonObject;
    assert.equal((choice["decidedBy"] as JsonObject)["criterion"], "latency");
    assert.equal(choice["by"], core === undefined ? "client" : "routing");
    vpn.check();
  }
});

test("probes can be turned off, and none is made while the session is in trouble (CL7)", () => {
  const off = connected({ policy: { probeMs: 0 } });
  off.lab.advance(HOUR_MS);
  assert.equal(health(off, other(off)).probedAt, null);
  const vpn = connected({ policy: { probeMs: 1_000, recoveryMs: 20_000 } });
  for (const path of ["wifi", "lte"]) vpn.network.kill(path, "blackhole");
  const probed = health(vpn, "lte").probedAt;
  vpn.lab.advance(15_000);
  assert.equal(health(vpn, "lte").probedAt, probed);
});

test("with a standby a jump costs one round trip, and the gateway keeps the channel for it", () => {
  const vpn = connected({ policy: { standbys: 1, probeMs: 5_000 }, gateway: { unboundMs: 2_000 } });
  vpn.lab.advance(6_000);
  for (let death = 0; death < 10; death++) {
    const from = active(vpn);
    const standby = vpn.status()["standby"] as { pathId: string } | null;
    assert.equal(standby?.pathId, other(vpn), `death ${death}`);
    assert.equal(vpn.network.openEnds(vpn.gateway), 2);
    const since = vpn.lab.now;
    vpn.network.kill(from, "closed");
    assert.ok(vpn.lab.until(() => moved(vpn, from), 1_000));
    assert.ok(vpn.lab.now - since <= 10, `${vpn.lab.now - since} ms`);
    const choice = said(vpn, "switched").at(-1)?.evidence["choice"] as JsonObject | undefined;
    assert.equal(choice?.["standby"], true);
    vpn.network.revive(from);
    vpn.lab.advance(60_000);
  }
  // A standby that dies is no standby, and the next look makes another.
  vpn.network.kill(other(vpn), "closed");
  vpn.lab.advance(10);
  assert.equal(vpn.status()["standby"], null);
  vpn.network.revive(other(vpn));
  assert.ok(vpn.lab.until(() => vpn.status()["standby"] !== null, 60_000));
  vpn.client.restart(100);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 5_000));
  vpn.client.value("vpn.client", "close", {});
  vpn.lab.advance(1_000);
  assert.equal(vpn.network.openEnds(vpn.client), 0, "nothing is left open");
  vpn.check();
});

test("a machine that slept an hour asks first, and stays where it is if it is answered", () => {
  const vpn = connected();
  const id = vpn.sessionId();
  vpn.client.sleep(HOUR_MS);
  assert.ok(vpn.lab.until(() => said(vpn, "cleared").length === 1, 500));
  const [suspected] = said(vpn, "suspected");
  assert.equal(suspected?.reason, "SLEPT");
  assert.ok(Number(suspected?.evidence["lateMs"]) > HOUR_MS - 60_000);
  assert.equal(said(vpn, "cleared")[0]?.reason, "PING_ANSWERED");
  assert.deepEqual([vpn.mode(), vpn.sessionId(), counter(vpn, "switched")], ["steady", id, 0]);
  vpn.check();
});

for (const how of ["closed", "blackhole"] as const) {
  test(`a machine that slept while its path died (${how}) reattaches the same session if its time is not over`, () => {
    const vpn = connected({ gateway: PATIENT });
    const id = vpn.sessionId();
    const from = active(vpn);
    vpn.lab.after(1_000, () => vpn.network.kill(from, how));
    vpn.client.sleep(HOUR_MS);
    const since = vpn.lab.now;
    assert.ok(
      vpn.lab.until(() => moved(vpn, from), 3_000),
      JSON.stringify(vpn.status(), null, 1),
    );
    assert.ok(vpn.lab.now - since < 500, `${vpn.lab.now - since} ms`);
    assert.equal(vpn.sessionId(), id);
    vpn.check();
  });
}

test("a machine that slept past the time of its session is told the reason, and gets no new identity", () => {
  for (const [policy, reason] of [
    [{ transportLossTtlMs: 60_000 }, "TRANSPORT_LOSS_TTL_EXPIRED"],
    [{ ...PATIENT.policy, sessionTtlMs: 600_000 }, "SESSION_TTL_EXPIRED"],
  ] as const) {
    const vpn = connected({ gateway: { policy } });
    const id = vpn.sessionId();
    const from = active(vpn);
    vpn.lab.after(1_000, () => vpn.network.kill(from, "closed"));
    vpn.client.sleep(HOUR_MS);
    assert.ok(vpn.lab.until(() => vpn.mode() === "ended", 3_000));
    assert.deepEqual([vpn.status()["reason"], vpn.sessionId()], [reason, id]);
    vpn.check();
  }
});

test("time asleep is not the network's: a session in trouble has its whole window awake, and no more", () => {
  const vpn = connected({ gateway: PATIENT, policy: { recoveryMs: 15_000 } });
  const id = vpn.sessionId();
  for (const path of ["wifi", "lte"]) vpn.network.kill(path, "blackhole");
  vpn.lab.advance(3_000);
  for (let night = 0; night < 3; night++) {
    vpn.client.sleep(7 * HOUR_MS);
    vpn.lab.advance(1_000);
    assert.notEqual(vpn.mode(), "ended", `night ${night}`);
  }
  vpn.client.sleep(HOUR_MS);
  vpn.network.revive("lte");
  assert.ok(
    vpn.lab.until(() => vpn.mode() === "steady", 4_000),
    JSON.stringify(vpn.status(), null, 1),
  );
  assert.equal(vpn.sessionId(), id);
  vpn.network.kill("lte", "blackhole");
  vpn.lab.advance(3_000);
  vpn.client.sleep(HOUR_MS);
  assert.ok(vpn.lab.until(() => vpn.mode() === "ended", 15_000));
  assert.equal(vpn.status()["reason"], "RECOVERY_EXPIRED");
  vpn.check();
});

test("a changed address is no reason to move where the path still works, and an end to waiting where none did", () => {
  const vpn = connected({ gateway: PATIENT, policy: { retryMs: 5_000, recoveryMs: 600_000 } });
  vpn.network.changeAddresses(vpn.client, ["192.168.1.5"], ["172.20.10.2"]);
  assert.ok(vpn.lab.until(() => said(vpn, "cleared").length === 1, 500));
  const [suspected] = said(vpn, "suspected");
  assert.equal(suspected?.reason, "ADDRESSES_CHANGED");
  assert.deepEqual(suspected?.evidence["came"], ["172.20.10.2"]);
  assert.equal(counter(vpn, "switched"), 0);
  for (const path of ["wifi", "lte"]) vpn.network.kill(path, "closed");
  const isWaiting = (): boolean =>
    (vpn.status()["waiting"] as JsonObject | null)?.["reason"] === "ROUND_FAILED";
  assert.ok(vpn.lab.until(isWaiting, 5_000));
  vpn.lab.advance(100);
  for (const path of ["wifi", "lte"]) vpn.network.revive(path);
  vpn.network.changeAddresses(vpn.client, [], ["172.20.10.3"]);
  assert.ok(
    vpn.lab.until(() => vpn.mode() === "steady", 300),
    "at once, not after the pause",
  );
  vpn.check();
});

test("a path the system has no way over is left before it is silent", () => {
  const vpn = connected();
  const from = active(vpn);
  vpn.lab.advance(1_000);
  const since = vpn.lab.now;
  vpn.network.kill(from, "blackhole");
  vpn.network.refuseSends(vpn.client, from, "ENETUNREACH");
  assert.ok(
    vpn.lab.until(() => moved(vpn, from), 150),
    JSON.stringify(vpn.status(), null, 1),
  );
  assert.ok(vpn.lab.now - since < 100, `${vpn.lab.now - since} ms`);
  const [suspected] = said(vpn, "suspected");
  assert.deepEqual([suspected?.reason, suspected?.evidence["code"]], ["SEND_FAILED", "ENETUNREACH"]);
  vpn.check();
});

test("a time of the session that ends in the middle of a switch ends it or does not, and both sides say the same", () => {
  const ends = new Set<unknown>();
  for (let ttl = 100; ttl <= 400; ttl += 5) {
    const vpn = connected({ seed: ttl, gateway: { policy: { transportLossTtlMs: ttl } } });
    const id = vpn.sessionId();
    const from = active(vpn);
    vpn.lab.advance(1_000);
    vpn.network.latencyMs.set(other(vpn), 50);
    vpn.network.kill(from, "closed");
    vpn.lab.advance(3_000);
    assert.equal(vpn.sessionId(), id);
    const end = vpn.mode() === "ended" ? vpn.status()["reason"] : vpn.mode();
    ends.add(end);
    assert.deepEqual(
      [end, state(vpn)],
      end === "steady" ? ["steady", "ATTACHED"] : ["TRANSPORT_LOSS_TTL_EXPIRED", "TERMINATED"],
      `${ttl} ms`,
    );
    vpn.check();
  }
  assert.equal(ends.size, 2, "both happened");
});

test("a window of the client that closes in the middle of a switch ends the session at both sides", () => {
  const ends = new Set<unknown>();
  for (let recoveryMs = 100; recoveryMs <= 400; recoveryMs += 5) {
    const vpn = connected({
      seed: recoveryMs,
      policy: { recoveryMs },
      gateway: { policy: { transportLossTtlMs: 2_000 } },
    });
    const from = active(vpn);
    vpn.lab.advance(1_000);
    vpn.network.latencyMs.set(other(vpn), 50);
    vpn.network.kill(from, "closed");
    vpn.lab.advance(6_000);
    const end = vpn.mode() === "ended" ? vpn.status()["reason"] : vpn.mode();
    ends.add(end);
    const both = end === "steady" ? ["steady", "ATTACHED"] : ["RECOVERY_EXPIRED", "TERMINATED"];
    assert.deepEqual([end, state(vpn)], both, `${recoveryMs} ms`);
    assert.equal(vpn.network.openEnds(vpn.gateway), end === "steady" ? 1 : 0);
    vpn.check();
  }
  assert.equal(ends.size, 2, "both happened");
});

test("whatever kills every path, the session ends in its window, with its reason, and stays ended", () => {
  const deaths: Death[] = ["closed", "blackhole", "noUplink", "noDownlink", "captive"];
  for (const first of deaths) {
    for (const second of deaths) {
      const vpn = connected({ policy: { recoveryMs: 5_000 } });
      const id = vpn.sessionId();
      vpn.lab.advance(1_000);
      const since = vpn.lab.now;
      vpn.network.kill("wifi", first);
      vpn.network.kill("lte", second);
      assert.ok(
        vpn.lab.until(() => vpn.mode() === "ended", 5_500),
        `${first} ${second}`,
      );
      assert.ok(vpn.lab.now - since <= 5_000 + 2_100, "counted from the first sign");
      assert.equal(vpn.status()["reason"], "RECOVERY_EXPIRED");
      for (const path of ["wifi", "lte"]) vpn.network.revive(path);
      vpn.lab.advance(200_000);
      assert.deepEqual([vpn.mode(), vpn.sessionId(), state(vpn)], ["ended", id, "TERMINATED"]);
      assert.equal(vpn.network.openEnds(vpn.client), 0);
      vpn.check();
    }
  }
});

test("a close that is repeated, or comes in the middle of a switch, ends the session once", () => {
  for (const wait of [0, 5, 12, 20, 30]) {
    const vpn = connected();
    vpn.lab.advance(1_000);
    vpn.network.kill(active(vpn), "closed");
    vpn.lab.advance(wait);
    vpn.client.value("vpn.client", "close", {});
    for (let again = 0; again < 3; again++) {
      const answer = vpn.client.ask("vpn.client", "close", {});
      assert.ok(!answer.ok && answer.code === "CLIENT_NOT_RUNNING");
    }
    vpn.lab.advance(70_000);
    assert.deepEqual(
      [vpn.mode(), vpn.status()["reason"], state(vpn)],
      ["ended", "CLIENT_CLOSED", "TERMINATED"],
    );
    assert.equal(said(vpn, "ended").length, 1);
    assert.equal(vpn.network.openEnds(vpn.client) + vpn.network.openEnds(vpn.gateway), 0);
    vpn.check();
  }
});

test("of two paths the one that fails again and again comes second, though it works in between", () => {
  const vpn = connected({ paths: ["a", "b", "c"], policy: { maxSwitchesPerMinute: 600, probeMs: 1_000 } });
  for (let flap = 0; flap < 4; flap++) {
    if (vpn.activePath() !== "a") vpn.client.value("vpn.client", "jump", { pathId: "a" });
    assert.ok(vpn.lab.until(() => vpn.mode() === "steady" && vpn.activePath() === "a", 1_000));
    vpn.network.kill("a", "closed");
    assert.ok(vpn.lab.until(() => moved(vpn, "a"), 1_000));
    vpn.network.revive("a");
    vpn.lab.advance(15_000);
    assert.equal(health(vpn, "a").retryAt, null, "it works");
  }
  const order = (vpn.status()["candidates"] as { pathId: string }[]).map(({ pathId }) => pathId);
  assert.equal(order.at(-1), "a");
  const { places } = vpn.status()["ranking"] as unknown as { places: { decidedBy: JsonObject | null }[] };
  assert.equal(places[1]?.decidedBy?.["criterion"], "stability");
  vpn.lab.advance(600_000);
  assert.equal(
    (vpn.status()["candidates"] as { pathId: string }[])[0]?.pathId,
    "a",
    "ten minutes later all is well",
  );
  vpn.check();
});
