/** A gateway is emptied before it is taken away: nobody comes, everybody leaves, and no session ends by it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/sdk";
import { KEYS, openVpn, type Vpn } from "./vpn.ts";

const NONCE = "non_55555555555555555555";

function connected(): Vpn {
  const vpn = openVpn({ gateway: { policy: { transportLossTtlMs: 60_000 } } });
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  return vpn;
}

const status = (vpn: Vpn): JsonObject => vpn.gateway.value("vpn.gateway", "status", {});
const drain = (vpn: Vpn, on: boolean): unknown =>
  vpn.gateway.value("vpn.gateway", "drain", { on })["draining"];

/** What was asked in vain: of a gateway that takes nobody, and of the session's owner. */
function denied(vpn: Vpn): readonly unknown[] {
  return vpn.gateway.published
    .filter(({ topic }) => topic === "vpn.denial.v1")
    .map(({ event }) => event["asked"]);
}

test("a gateway that is emptied lets go of its sessions and ends none; taken back, it goes on with the same", () => {
  const vpn = connected();
  const id = vpn.sessionId();
  assert.equal(status(vpn)["draining"], null);
  const since = drain(vpn, true);
  assert.equal(typeof since, "number");
  vpn.lab.advance(2_000);
  assert.equal(drain(vpn, true), since, "asked again, it began when it began");
  assert.deepEqual(
    [vpn.mode(), vpn.moves().at(-1)?.["to"], denied(vpn)],
    ["recovering", "RECOVERING", ["reattach"]],
  );
  const { sessions, counters } = status(vpn) as { sessions: JsonObject[]; counters: JsonObject };
  assert.deepEqual([sessions[0]?.["channelId"], counters["drained"]], [null, 1]);
  vpn.gateway.restart(100);
  vpn.lab.advance(2_000);
  assert.deepEqual(
    [status(vpn)["draining"], vpn.mode()],
    [since, "recovering"],
    "a boot does not take it back",
  );
  assert.equal(drain(vpn, false), null);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  assert.equal(vpn.sessionId(), id);
  vpn.check();
});

test("a gateway that is emptied makes no session and keeps no channel that carries none, and an owner may close its own", () => {
  const vpn = connected();
  const sessionId = vpn.sessionId() as string;
  drain(vpn, true);
  vpn.lab.advance(1_000);
  const ask = (peer: string, frame: JsonObject): void => {
    vpn.network.inject(vpn.gateway, "chn_eeeeeeeeeeeeeeeeeeee", "wifi", peer, {
      v: 1,
      nonce: NONCE,
      ...frame,
    });
    vpn.lab.advance(100);
  };
  const before = vpn.moves().length;
  vpn.gateway.reconfigure("vnes.vpn.gateway", { admit: "any" });
  ask(KEYS.stranger, { type: "create" });
  ask(KEYS.client, { type: "ping", sessionId, size: 0, below: null });
  assert.equal(vpn.moves().length, before);
  const { counters } = status(vpn) as { counters: JsonObject };
  assert.ok(denied(vpn).includes("create") && Number(counters["rejected.GATEWAY_DRAINING"]) >= 3);
  ask(KEYS.client, { type: "close", sessionId });
  assert.equal(vpn.moves().at(-1)?.["reason"], "CLIENT_CLOSED");
  vpn.check();
});
