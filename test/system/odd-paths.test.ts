/**
 * Two real nodes and paths that only look like paths: a captive portal that talks HTTP where the gateway should be, and relays
 * on real sockets that swallow what goes one way. The session keeps its identity and is never over any of them.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Json, JsonObject } from "@vnes/schemas";
import { type Child, start } from "../demo/children.ts";
import { ask, boot, clientConfig, gatewayConfig, transportOf } from "../demo/nodes.ts";

const RELAY = fileURLToPath(new URL("../demo/relay.ts", import.meta.url));
const LOOPBACK = "127.0.0.1";
/** Far above what a switch needs; a test that waits this long has failed. */
const PATIENCE_MS = 20_000;

interface Status {
  readonly mode: string;
  readonly session: { readonly id: string; readonly state: string } | null;
  readonly active: { readonly pathId: string } | null;
  readonly candidates: readonly {
    readonly pathId: string;
    readonly lastFailure: string | null;
    readonly lastOkAt: number | null;
    readonly retryAt: number | null;
  }[];
  readonly recent: readonly {
    readonly event: string;
    readonly reason: string;
    readonly pathId: string | null;
    readonly evidence: JsonObject;
  }[];
}

test("a captive portal and paths that deliver one way only are named, left, and never taken for a way to the gateway", async () => {
  const home = await mkdtemp(join(tmpdir(), "vnes-odd-"));
  const children: Child[] = [];
  const dead: string[] = [];
  const onDeath = (name: string, tail: string): number => dead.push(`${name}: ${tail}`);
  const portal = createServer((connection) => {
    connection.on("error", () => {});
    connection.once("data", () =>
      connection.end("HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n"),
    );
  });
  portal.listen(0, LOOPBACK);
  await once(portal, "listening");
  try {
    const parts = { home, onDeath };
    const gateway = await boot({
      ...parts,
      name: "gateway",
      run: ["vnes.vpn.gateway"],
      config: gatewayConfig(9),
    });
    children.push(gateway.child);
    const { publicKey, listeners } = await transportOf(gateway);
    const paths = [{ pathId: "portal", kind: "tcp", port: (portal.address() as { port: number }).port }];
    const relays = new Map<string, Child>();
    for (const { kind, port } of listeners) {
      const args = [kind, "0", LOOPBACK, String(port)];
      const relay = await start({ name: `${kind} relay`, file: RELAY, args, onDeath });
      children.push(relay);
      relays.set(kind, relay);
      paths.push({ pathId: kind, kind, port: (JSON.parse(relay.ready) as { readonly port: number }).port });
    }
    const config = clientConfig(publicKey, paths);
    const settings = config["vnes.vpn.client"] as { readonly [name: string]: Json };
    const policy = { probeMs: 500, cooldownMs: 0, maxSwitchesPerMinute: 600 };
    const client = await boot({
      ...parts,
      name: "client",
      run: ["vnes.vpn.client"],
      config: { ...config, "vnes.vpn.client": { ...settings, policy } },
    });
    children.push(client.child);
    const until = async (what: string, holds: (status: Status) => boolean): Promise<Status> => {
      const giveUpAt = Date.now() + PATIENCE_MS;
      for (;;) {
        const status = await ask<Status>(client, "vpn.client", "status");
        if (holds(status)) return status;
        assert.ok(Date.now() < giveUpAt, `${what}: ${JSON.stringify(status)}`);
        await new Promise((resume) => setTimeout(resume, 20));
      }
    };
    const isOver =
      (pathId: string) =>
      ({ mode, active }: Status): boolean =>
        mode === "steady" && active?.pathId === pathId;

    const first = await until("attached over another path than the portal", isOver("udp"));
    const id = first.session?.id;
    assert.ok(id);
    for (const [from, to, lost, direction] of [
      ["udp", "tcp", "toClient", "in"],
      ["tcp", "udp", "toTarget", "out"],
    ] as const) {
      relays.get(from)?.say(`silent ${lost}`);
      const status = await until(`left ${from}`, isOver(to));
      assert.equal(status.session?.id, id);
      // A busy machine can make the path it came to fall silent for a moment too.
      const suspected = status.recent.findLast(
        ({ event, pathId }) => event === "suspected" && pathId === from,
      );
      assert.equal(suspected?.reason, "PATH_SILENT", from);
      assert.equal(suspected?.evidence["direction"], direction);
      const left = status.candidates.find(({ pathId }) => pathId === from);
      assert.equal(left?.lastFailure, "PATH_SILENT");
      relays.get(from)?.say("heal");
      await until(`${from} answers again`, ({ candidates }) =>
        candidates.some(({ pathId, retryAt }) => pathId === from && retryAt === null),
      );
    }
    const { candidates } = await until("still there", isOver("udp"));
    const captive = candidates.find(({ pathId }) => pathId === "portal");
    assert.deepEqual([captive?.lastFailure, captive?.lastOkAt], ["TRANSPORT_OPEN_FOREIGN", null]);
    for (const child of children.toReversed()) await child.end();
    assert.deepEqual(dead, []);
  } finally {
    for (const child of children.toReversed()) await child.end();
    portal.close();
    await rm(home, { recursive: true, force: true });
  }
});
