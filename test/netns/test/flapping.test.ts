/** Interfaces that come and go faster than anybody should follow, and a gateway that stands still: the session stays what it was. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { namespacesMissing } from "../namespaces.ts";
import { CABLES, isOver, openTwoNodes } from "../nodes.ts";

const skip = namespacesMissing() ?? false;
const FLAPS = 14;
const FLAP_MS = 600;
const MAX_SWITCHES = 4;
const FROZEN_MS = 10_000;

test("while two interfaces flap in turn the client switches no more often than its policy, and the session is the same", {
  skip,
}, async () => {
  await using nodes = await openTwoNodes({
    client: { policy: { cooldownMs: 500, maxSwitchesPerMinute: MAX_SWITCHES, recoveryMs: 60_000 } },
    gateway: { policy: { transportLossTtlMs: 60_000 } },
  });
  const first = await nodes.until("attached", isOver("wifi"));
  const id = first.session?.id ?? "";
  const since = performance.now();
  for (let flap = 0; flap < FLAPS; flap += 1) {
    const cable = CABLES[flap % 2] as string;
    nodes.spaces.ip("cl", `link set ${cable} down`);
    await sleep(FLAP_MS);
    nodes.spaces.ip("cl", `link set ${cable} up`);
  }
  assert.ok(performance.now() - since < 50_000, "one minute, in which one bound counts");
  const flapped = await nodes.status();
  const switches = (flapped.session?.epoch ?? 0) - (first.session?.epoch ?? 0);
  assert.ok(switches >= 1 && switches <= MAX_SWITCHES, `${switches} switches`);
  const held = await nodes.client.vnes("session", "history", id);
  if (switches === MAX_SWITCHES && flapped.mode !== "steady")
    assert.match(held.out, /denied .*SWITCHES_EXCEEDED .*policy\.maxSwitchesPerMinute 4\/4/);
  const last = await nodes.until("steady again", ({ mode }) => mode === "steady", 70_000);
  assert.equal(last.session?.id, id);
  assert.equal(
    (await nodes.gateway.ask<{ bindings: number }>("vpn.session", "get", { sessionId: id })).bindings,
    1,
  );
});

test("a gateway that stands still for 10 s and goes on has the same session, and its client says what it saw", {
  skip,
}, async () => {
  await using nodes = await openTwoNodes({ client: { policy: { recoveryMs: 60_000 } } });
  const first = await nodes.until("attached", isOver("wifi"));
  const id = first.session?.id ?? "";
  const { pid } = nodes.gateway.booted;
  signalTree(pid, "SIGSTOP");
  try {
    await nodes.until("noticed", ({ mode }) => mode !== "steady");
    await sleep(FROZEN_MS);
  } finally {
    signalTree(pid, "SIGCONT");
  }
  const last = await nodes.until("attached again", ({ mode }) => mode === "steady");
  assert.equal(last.session?.id, id);
  assert.ok((last.session?.epoch ?? 0) > (first.session?.epoch ?? 0));
  const { out } = await nodes.client.vnes("session", "explain", id);
  assert.match(out, /is attached[\s\S]*PATH_SILENT|is attached[\s\S]*trouble for 1\d\d\d\d ms/);
  const { counters } = await nodes.gateway.transport();
  assert.equal(
    counters["leaseLost"],
    1,
    "who stood still for longer than its lease does not act on what it knew",
  );
});

function signalTree(pid: number, signal: NodeJS.Signals): void {
  process.kill(pid, signal);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  for (const child of children === "" ? [] : children.split(" ")) signalTree(Number(child), signal);
}
