/** Every decision by a number says which, how far it goes and what met it, where people look: in the events of both sides. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/sdk";
import { SILENT_MS } from "./network.ts";
import { openVpn, type Options, type Vpn } from "./vpn.ts";

function steady(options: Options): Vpn {
  const vpn = openVpn(options);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  return vpn;
}

/** Evidence of the client's events with this reason, in order. */
function told(vpn: Vpn, reason: string): readonly JsonObject[] {
  return vpn.client.published
    .filter(({ topic, event }) => topic === "vpn.client.v1" && event["reason"] === reason)
    .map(({ event }) => event["evidence"] as JsonObject);
}

function jump(vpn: Vpn): void {
  const before = vpn.activePath();
  assert.ok(vpn.client.ask("vpn.client", "jump", {}).ok);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady" && vpn.activePath() !== before, 2000));
}

test("a session that ends by a clock says which and by how much, and every switch says how many there were", () => {
  const vpn = steady({ gateway: { policy: { transportLossTtlMs: 5000, maxSwitchesPerMinute: 7 } } });
  vpn.lab.advance(400);
  jump(vpn);
  vpn.network.kill("wifi", "closed");
  vpn.network.kill("lte", "closed");
  vpn.lab.advance(60_000);
  const evidence = (reason: string): JsonObject =>
    vpn.moves().find((move) => move["reason"] === reason)?.["evidence"] as JsonObject;
  assert.deepEqual(evidence("REATTACHED")["bound"], {
    bound: "policy.maxSwitchesPerMinute",
    limit: 7,
    value: 1,
    unit: "switches",
  });
  assert.deepEqual(evidence("TRANSPORT_LOSS_TTL_EXPIRED")["bound"], {
    bound: "policy.transportLossTtlMs",
    limit: 5000,
    value: 5000,
    unit: "ms",
  });
  const [ended] = told(vpn, "RECOVERY_EXPIRED");
  assert.deepEqual(ended?.["bound"], {
    bound: "policy.recoveryMs",
    limit: 30_000,
    value: 30_000,
    unit: "ms",
  });
});

test("a switch that the session refuses is denied at the client with the session's number", () => {
  const vpn = steady({ gateway: { policy: { maxSwitchesPerMinute: 1 } } });
  vpn.lab.advance(400);
  jump(vpn);
  vpn.lab.advance(400);
  vpn.network.kill(vpn.activePath() ?? "", "closed");
  assert.ok(vpn.lab.until(() => told(vpn, "SWITCH_RATE_EXCEEDED").length > 0, 5000));
  const bound = { bound: "policy.maxSwitchesPerMinute", limit: 1, value: 1, unit: "switches" };
  assert.deepEqual(told(vpn, "SWITCH_RATE_EXCEEDED")[0]?.["bound"], bound);
});

test("the client's own bounds are in its denials: cooldown and switches", () => {
  const vpn = steady({ policy: { cooldownMs: 5000, maxSwitchesPerMinute: 1 } });
  vpn.lab.advance(400);
  jump(vpn);
  vpn.network.kill(vpn.activePath() ?? "", "blackhole");
  assert.ok(vpn.lab.until(() => told(vpn, "SWITCHES_EXCEEDED").length > 0, 10_000));
  const [cooling] = told(vpn, "COOLDOWN");
  assert.ok(cooling);
  const { bound, limit, value, unit } = cooling["bound"] as JsonObject;
  assert.deepEqual([bound, limit, unit], ["policy.cooldownMs", 5000, "ms"]);
  assert.ok(Number(value) < 5000 && Number(value) > 0);
  assert.deepEqual(told(vpn, "SWITCHES_EXCEEDED")[0]?.["bound"], {
    bound: "policy.maxSwitchesPerMinute",
    limit: 1,
    value: 1,
    unit: "switches",
  });
});

test("silence says how long it was and how long it may be, on both sides", () => {
  const vpn = steady({});
  vpn.lab.advance(400);
  vpn.network.kill(vpn.activePath() ?? "", "blackhole");
  const volatile = (): JsonObject | undefined => vpn.moves().find((move) => move["reason"] === "PATH_SILENT");
  assert.ok(vpn.lab.until(() => volatile() !== undefined && told(vpn, "PATH_SILENT").length > 0, 5_000));
  const owned = (volatile() ?? {})["evidence"] as JsonObject;
  for (const { silentMs = -1, bound } of [owned, told(vpn, "PATH_SILENT")[0] ?? {}])
    assert.deepEqual(bound, { bound: "silentMs", limit: SILENT_MS, value: silentMs, unit: "ms" });
});

test("a path that falls below policy, and one that is within it again, say which number said so", () => {
  const vpn = steady({ policy: { watchMs: 500, probeMs: 0, belowPings: 2, ofPings: 3, maxLatencyMs: 50 } });
  const path = vpn.activePath() as string;
  vpn.network.kill(path, "small");
  assert.ok(vpn.lab.until(() => told(vpn, "LARGE_FRAMES_LOST").length > 0, 20_000));
  const below = told(vpn, "LARGE_FRAMES_LOST").find((evidence) => "bound" in evidence);
  assert.deepEqual(below?.["bound"], { bound: "policy.belowPings", limit: 2, value: 2, unit: "pings" });
  const moved = (reason: string): JsonObject => {
    const move = vpn.moves().find((one) => one["reason"] === reason) ?? {};
    return move["evidence"] as JsonObject;
  };
  vpn.lab.advance(1_000);
  assert.deepEqual(moved("BELOW_POLICY"), {
    pathId: path,
    below: "LARGE_FRAMES_LOST",
    bound: below?.["bound"],
  });
  vpn.network.revive(path);
  assert.ok(vpn.lab.until(() => told(vpn, "POLICY_MET").length > 0, 20_000));
  const [met] = told(vpn, "POLICY_MET");
  assert.deepEqual(met?.["bound"], { bound: "policy.ofPings", limit: 3, value: 3, unit: "pings" });
  vpn.lab.advance(1_000);
  assert.deepEqual(moved("POLICY_MET"), { pathId: path, below: null, bound: met?.["bound"] });
});
