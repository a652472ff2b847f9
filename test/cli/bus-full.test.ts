/** A node whose ledger is on a server at its limit: degraded, nothing released, and on it goes once there is room. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { closeConnections, takeSpace } from "../../kernel/drivers/nats/test/opened.ts";
import { Home } from "./vnes.ts";

interface Status {
  readonly state: string;
  readonly problems: readonly { readonly code: string }[];
  readonly ledger: { readonly records: number };
}

/** A session that is new; asked for twice, it is the same one. */
const CREATE: readonly string[] = [
  "call",
  "vpn.session",
  "create",
  JSON.stringify({
    owner: `${"A".repeat(43)}=`,
    nonce: "nonce-of-the-test",
    policy: { sessionTtlMs: 600_000, transportLossTtlMs: 60_000, maxSwitchesPerMinute: 60 },
  }),
];

const home = new Home();
const servers = await startNatsServers({ maxFile: "16M" });
after(async () => {
  await home[Symbol.asyncDispose]();
  await closeConnections();
  await servers[Symbol.asyncDispose]();
});

test("a server without room: a call is not answered, the node says why, and with room it goes on by itself (J9)", async () => {
  let node = await home.boot("--bus", servers.urls.join());
  const before = await home.json<Status>("status");
  assert.equal(before.state, "running");
  const ballast = await takeSpace(servers.urls, 16_000_000);
  const refused = await home.run(...CREATE, "--timeout", "2000");
  assert.notEqual(refused.code, 0, refused.out);
  assert.match(refused.err, /LEDGER_|CALL_TIMEOUT/);
  const full = await until(({ problems }) => problems.some(({ code }) => code === "LEDGER_DISK_FULL"));
  assert.equal(full.state, "degraded");
  await ballast.remove();
  const back = await until(({ state }) => state === "running");
  assert.deepEqual(back.problems, []);
  const created = await home.run(...CREATE);
  assert.equal(created.code, 0, created.err);
  await node.kill("SIGKILL");
  node = await home.boot("--bus", servers.urls.join());
  assert.equal((await home.json<Status>("status")).state, "running");
  const listed = await home.run("call", "vpn.session", "list");
  assert.equal(listed.out.split('"sessionId"').length - 1, 1, listed.out);
});

async function until(isIt: (status: Status) => boolean): Promise<Status> {
  for (let tries = 0; ; tries++) {
    const status = JSON.parse((await home.run("status", "-o", "json")).out) as Status;
    if (isIt(status) || tries === 60) return status;
    await sleep(250);
  }
}
