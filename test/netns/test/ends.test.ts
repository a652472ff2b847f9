/** Every path dies at once on real interfaces: the session has an end, both ends say which bound decided, and nothing hangs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { namespacesMissing } from "../namespaces.ts";
import { CABLES, isOver, openTwoNodes, until } from "../nodes.ts";

const skip = namespacesMissing() ?? false;
const RECOVERY_MS = 4_000;
const LOSS_TTL_MS = 5_000;

test("with every interface down the session ends at both ends within their bounds, and explain says which", {
  skip,
}, async () => {
  await using nodes = await openTwoNodes({
    gateway: { policy: { transportLossTtlMs: LOSS_TTL_MS } },
    client: { policy: { recoveryMs: RECOVERY_MS } },
  });
  const { session } = await nodes.until("attached", isOver("wifi"));
  const id = session?.id ?? "";
  const since = performance.now();
  for (const cable of CABLES) nodes.spaces.ip("cl", `link set ${cable} down`);
  const ended = await nodes.until("ended at the client", ({ mode }) => mode === "ended");
  const tookMs = performance.now() - since;
  assert.equal(ended.reason, "RECOVERY_EXPIRED");
  assert.equal(ended.session?.id, id);
  assert.ok(tookMs < RECOVERY_MS + 3_000, `${tookMs} ms`);
  const owned = (): Promise<{ state: string; reason: string }> =>
    nodes.gateway.ask("vpn.session", "get", { sessionId: id });
  const there = await until("ended at the gateway", owned, ({ state }) => state === "TERMINATED");
  assert.equal(there.reason, "TRANSPORT_LOSS_TTL_EXPIRED");

  const here = await nodes.client.vnes("session", "explain", id);
  assert.match(here.out, /has ended[\s\S]*RECOVERY_EXPIRED; .*bound policy\.recoveryMs \d+\/4000 ms/);
  const told = await nodes.gateway.vnes("session", "explain", id);
  assert.match(
    told.out,
    /has ended[\s\S]*TRANSPORT_LOSS_TTL_EXPIRED; .*bound policy\.transportLossTtlMs 5\d\d\d\/5000 ms/,
  );
  // A network that is back brings no ended session back.
  for (const cable of CABLES) nodes.spaces.ip("cl", `link set ${cable} up`);
  await new Promise((resume) => setTimeout(resume, 2_000));
  assert.equal((await nodes.status()).mode, "ended");
  assert.deepEqual((await nodes.client.transport()).channels, []);
});
