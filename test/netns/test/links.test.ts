/** A session over UDP, and real routes, interfaces and addresses that go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BREAKS, outlives } from "../breaks.ts";
import { namespacesMissing } from "../namespaces.ts";
import { openTwoNodes } from "../nodes.ts";

const skip = namespacesMissing() ?? false;
const POLICY = { cooldownMs: 0, maxSwitchesPerMinute: 600, probeMs: 500 };

test("over UDP, whatever the system does to a path at either end, the same session goes on over the other, and the sign is named", {
  skip,
}, async () => {
  await using nodes = await openTwoNodes({ client: { policy: POLICY } });
  const { id } = await outlives(nodes, BREAKS);
  const { counters } = await nodes.client.transport();
  assert.ok((counters["udpError.ENETUNREACH"] ?? 0) > 0, "the system's refusals are counted");
  const gateway = (await nodes.gateway.transport()).counters;
  assert.ok((gateway["udpError.ENETUNREACH"] ?? 0) > 0, "at both ends");
  assert.ok(
    (gateway["frameOtherPath"] ?? 0) > 0,
    "frames from another address than the channel's are dropped",
  );
  const { out } = await nodes.client.vnes("session", "explain", id);
  assert.match(
    out,
    /It left wifi because .* \((SEND_FAILED; ENETUNREACH|ADDRESSES_CHANGED; gone 10\.77\.1\.2)/,
  );
});
