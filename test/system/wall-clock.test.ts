/**
 * The wall clock of both nodes is set an hour ahead, then two hours back, while a session is attached: nobody is suspected, nothing
 * ends, no clock of the session moves, and the nodes say that it was set.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json, JsonObject } from "@vnes/schemas";
import type { Child } from "../demo/children.ts";
import { ask, boot, clientConfig, clientOf, gatewayConfig, sessionOf, transportOf } from "../demo/nodes.ts";
import { settableClock } from "./settable-clock.ts";

const HOUR_MS = 3_600_000;
const PATIENCE_MS = 20_000;
/** Several looks of the clock, several rounds of watch and ping. */
const LOOKED_MS = 3_500;

type Configs = Readonly<Record<string, Json>>;

/** Both ends alike: a busy machine is no reason to suspect anybody. */
function patient(configs: Configs): Configs {
  const transport = configs["vnes.vpn.transport"] as JsonObject;
  return { ...configs, "vnes.vpn.transport": { ...transport, keepaliveMs: 200, silentMs: 5_000 } };
}

test("a wall clock that jumps an hour ahead and two back moves no session and no clock of one", async () => {
  const home = await mkdtemp(join(tmpdir(), "vnes-wall-"));
  const clock = settableClock(home);
  const children: Child[] = [];
  const onDeath = (name: string, tail: string): never => assert.fail(`${name}: ${tail}`);
  const before = process.env["NODE_OPTIONS"];
  try {
    process.env["NODE_OPTIONS"] = `${before ?? ""} ${clock.option}`;
    const parts = { home, onDeath };
    const settings = patient(gatewayConfig(9));
    const gateway = await boot({ ...parts, name: "gateway", run: ["vnes.vpn.gateway"], config: settings });
    children.push(gateway.child);
    const { publicKey, listeners } = await transportOf(gateway);
    const config = patient(clientConfig(publicKey, listeners));
    const client = await boot({ ...parts, name: "client", run: ["vnes.vpn.client"], config });
    children.push(client.child);
    const giveUpAt = performance.now() + PATIENCE_MS;
    while ((await clientOf(client)).mode !== "steady") {
      assert.ok(performance.now() < giveUpAt, "not attached");
      await sleep(50);
    }
    const attached = await clientOf(client);
    const id = attached.session?.id ?? "";
    const clocks = (): Promise<{ sessionExpiresAt: number; lossExpiresAt: number | null }> =>
      ask(gateway, "vpn.session", "get", { sessionId: id });
    const first = await clocks();
    for (const ahead of [HOUR_MS, -HOUR_MS]) {
      clock.set(ahead);
      await sleep(LOOKED_MS);
      const status = await clientOf(client);
      assert.equal(status.mode, "steady");
      assert.deepEqual(status.session, attached.session);
      assert.deepEqual(status.recent, attached.recent, "nothing was suspected, lost or tried");
      const { sessionExpiresAt, lossExpiresAt } = await clocks();
      assert.deepEqual([sessionExpiresAt, lossExpiresAt], [first.sessionExpiresAt, null]);
      assert.equal((await sessionOf(gateway, id)).epoch, 1);
    }
    for (const node of [gateway, client]) {
      const { events } = await ask<{ events: readonly { event: unknown }[] }>(
        node,
        "observability",
        "recent",
        {
          kind: "clock",
          limit: 100,
        },
      );
      const told = JSON.stringify(events);
      assert.match(told, /CLOCK_JUMPED/, told);
    }
  } finally {
    if (before === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = before;
    for (const child of children.toReversed()) await child.end();
    await rm(home, { recursive: true, force: true });
  }
});
