/** Floods by somebody whose key is admitted: reattaches of another's session, and channels without end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/schemas";
import { counted, openAttacked } from "../attack.ts";
import { namespacesMissing } from "../namespaces.ts";
import type { Counters } from "../../vpn/said.ts";
import { bootIn, isOver, type NodeInSpace, PORT, until } from "../nodes.ts";

const skip = namespacesMissing() ?? false;
const FRAMES = 1_500;
const AT_ONCE = 50;
const CHANNELS_OF_ONE_KEY = 16;

test("reattaches and channels without end of an admitted key end in counters and denials; the session beside it stays", {
  skip,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const { nodes } = stack.use(await openAttacked());
  const first = await nodes.until("attached", isOver("wifi"));
  const { id: sessionId = "", epoch = 0, version = 0 } = first.session ?? {};
  const { publicKey: peer } = await nodes.gateway.transport();
  const insider = await bootIn(stack, nodes.spaces, "at", "vnes.vpn.transport", { "vnes.vpn.transport": {} });
  const path = { kind: "udp", port: PORT, peer };
  const before = await nodes.gateway.transport();
  // The gateway listens at the addresses of its other cables; this one leads to them all the same.
  const { channelId } = await open(insider, { ...path, address: "10.77.1.1", pathId: "one" });
  let sent = 0;
  for (let round = 0; round < FRAMES / AT_ONCE; round += 1) {
    const frames = Array.from({ length: AT_ONCE }, (_, index) => ({
      ...{ v: 1, type: "reattach", nonce: `nonce-${round}-${index}`, sessionId, epoch, version },
    }));
    const asked = frames.map((frame) => insider.ask("vpn.transport", "send", { channelId, frame }));
    sent += (await Promise.allSettled(asked)).filter(({ status }) => status === "fulfilled").length;
  }
  const names = ["rejected.OWNER_MISMATCH", "rejected.RATE_LIMITED"] as const;
  const heardOf = async (): Promise<readonly number[]> => {
    const { counters } = await nodes.gateway.ask<{ counters: Counters }>("vpn.gateway", "status");
    const { counters: dropped } = await nodes.gateway.transport();
    return [...names.map((name) => counters[name] ?? 0), dropped["frameRate"] ?? 0];
  };
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const heard = await until("every frame is in one counter", heardOf, (values) => sum(values) >= sent, 5000);
  assert.ok(
    heard.every((value) => value > 0),
    heard.join(" "),
  );
  assert.equal(sum(heard), sent, "and in no other");

  const opened = await Promise.allSettled(
    Array.from({ length: 3 * CHANNELS_OF_ONE_KEY }, (_, index) =>
      open(insider, { ...path, address: "10.77.2.1", pathId: `more-${index}` }),
    ),
  );
  const many = opened.filter(({ status }) => status === "fulfilled").length;
  assert.ok(many < CHANNELS_OF_ONE_KEY, `${many} more channels`);
  const more = await until(
    "counted",
    async () => counted(before.counters, (await nodes.gateway.transport()).counters),
    (seen) => (seen["channelsFull"] ?? 0) + (seen["handshakeRateRemote"] ?? 0) > 0,
  );
  assert.ok(more, "what had no room is counted");
  const { channels } = await nodes.gateway.transport();
  assert.ok(channels.length <= CHANNELS_OF_ONE_KEY + 2, `${channels.length} channels`);

  const last = await nodes.status();
  assert.ok(isOver("wifi")(last));
  assert.deepEqual(
    [last.session?.id, last.session?.epoch, last.session?.version],
    [sessionId, epoch, version],
  );
  const told = await nodes.gateway.vnes("session", "explain", sessionId);
  assert.match(told.out, /A reattach .* was denied .*OWNER_MISMATCH/, told.out + told.err);
});

async function open(node: NodeInSpace, input: JsonObject): Promise<{ readonly channelId: string }> {
  return await node.ask("vpn.transport", "open", input);
}
