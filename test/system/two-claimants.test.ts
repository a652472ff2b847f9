/**
 * Two real nodes that take themselves for the owner of the same shards: started at the same moment by one table, and one that
 * was believed dead and comes back. One goes on, the other is refused by a code that says so, and nothing is there twice.
 */
import assert from "node:assert/strict";
import { linkSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { JsonObject } from "@vnes/schemas";
import { startNatsServers } from "../../kernel/drivers/nats/test/nats-servers.ts";
import { type Booted, Home } from "../cli/vnes.ts";
import { Acknowledgements } from "../crash/acknowledgements.ts";
import type { Control, Reply } from "../crash/control.ts";
import { checkHistory } from "../crash/history.ts";
import { openLeft } from "../crash/ledger-place.ts";
import { compareRound } from "../crash/run.ts";
import { bootCrash, controlOf, crashCapsules, crashHome } from "./crash-home.ts";

const NODE = "east";
const GROUPS = 8;
const CALLS = 32;
const CALL_TIMEOUT_MS = 15_000;
/** Of calls to the node that stands still: its time goes on meanwhile. */
const UNDER_WAY_MS = 3_000;

function configOf(servers: readonly string[]): JsonObject {
  const all = Array.from({ length: GROUPS }, (_, group) => group);
  return { node: NODE, bus: { servers: [...servers], groups: GROUPS }, cluster: { owners: { [NODE]: all } } };
}

test("two nodes of one name and one table that start at the same moment: one runs, the other is told who owns the ledger", async () => {
  await using servers = await startNatsServers();
  await using first = await crashHome(configOf(servers.urls));
  await using second = await crashHome(configOf(servers.urls));
  const ends = await Promise.allSettled([bootCrash(first), bootCrash(second)]);
  const running = ends.filter((end) => end.status === "fulfilled");
  const refused = ends.filter((end) => end.status === "rejected");
  assert.deepEqual([running.length, refused.length], [1, 1], ends.map(({ status }) => status).join());
  assert.match(
    String(refused[0]?.reason),
    /ended with 7: .*"LEDGER_IN_USE".* is in use by node east.*"remedy":".*vnes boot /,
  );
  const home = ends[0]?.status === "fulfilled" ? first : second;
  using record = new Acknowledgements(join(home.dir, "acknowledgements.log"));
  const node = (running[0] as PromiseFulfilledResult<Booted>).value;
  const control = await controlOf(node);
  await Promise.all(adds(control, record, "r1", 0));
  assert.equal(record.round("r1").acknowledged.size, CALLS);
  assert.equal(await compareRound(control, record, "r1"), undefined);
  control.close();
  await endWell(home, node, servers.urls, record);
});

test("a node believed dead that comes back is fenced by the one that took its place, says so, and acknowledges nothing more", async () => {
  await using servers = await startNatsServers();
  await using home = await crashHome(configOf(servers.urls));
  using record = new Acknowledgements(join(home.dir, "acknowledgements.log"));
  const [before, later] = [join(home.dir, "before"), join(home.dir, "later")];
  const old = await bootCrash(home, "--data-dir", before);
  const toOld = await controlOf(old);
  await Promise.all(adds(toOld, record, "r1", 0));
  const underWay = adds(toOld, record, "r2", 0, UNDER_WAY_MS);
  signalTree(old.pid, "SIGSTOP");

  // The same disk on another machine: the file that says who the owner is, is the same file.
  mkdirSync(later, { mode: 0o700 });
  linkSync(join(before, "instance"), join(later, "instance"));
  const node = await bootCrash(home, "--data-dir", later);
  const control = await controlOf(node);
  await Promise.all(adds(control, record, "r2", CALLS));
  signalTree(old.pid, "SIGCONT");
  await Promise.all(underWay);

  const refused = await toOld.call("crash.intake", "add", { id: "r3-0" }, CALL_TIMEOUT_MS);
  assert.ok(
    !refused.ok && /^LEDGER_(CLAIMED|SEQUENCE_CONFLICT)$/.test(refused.code),
    JSON.stringify(refused),
  );
  const status = await toOld.status();
  assert.ok(status.ok);
  const { state, problems } = status.value as {
    state: string;
    problems: { code: string; message: string }[];
  };
  assert.equal(state, "degraded");
  assert.ok(
    problems.some(({ code }) => code === "LEDGER_CLAIMED"),
    JSON.stringify(problems),
  );
  for (const round of ["r1", "r2"]) assert.equal(await compareRound(control, record, round), undefined);
  for (const one of [toOld, control]) {
    assert.equal(one.strays, 0);
    one.close();
  }
  await old.kill("SIGTERM");
  await endWell(home, node, servers.urls, record, "--data-dir", later);
});

function adds(
  control: Control,
  record: Acknowledgements,
  round: string,
  from: number,
  timeoutMs: number = CALL_TIMEOUT_MS,
): Promise<Reply>[] {
  return Array.from({ length: CALLS }, async (_, index) => {
    const id = `${round}-${from + index}`;
    record.send(round, [id]);
    const reply = await control.call("crash.intake", "add", { id }, timeoutMs);
    if (reply.ok) record.acknowledge(round, [id]);
    return reply;
  });
}

/** To a node and to the hosts it started, as a machine that stops would. */
function signalTree(pid: number, signal: NodeJS.Signals): void {
  process.kill(pid, signal);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  for (const child of children === "" ? [] : children.split(" ")) signalTree(Number(child), signal);
}

/** The node is well, and what it leaves is held to the rules. */
async function endWell(
  home: Home,
  node: Booted,
  servers: readonly string[],
  record: Acknowledgements,
  ...flags: string[]
): Promise<void> {
  const { state, problems } = await home.json<{ state: string; problems: unknown[] }>("status", ...flags);
  assert.deepEqual([state, problems], ["running", []]);
  assert.equal(await node.kill("SIGTERM"), 0);
  await using ledger = await openLeft(servers, NODE, node.ready.dataDir, GROUPS);
  const history = await checkHistory(ledger.store, crashCapsules(home), record.all());
  assert.deepEqual([history.problems, history.trimmed], [[], []]);
}
