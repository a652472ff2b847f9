/**
 * `npm start`: two nodes, one session, two paths; the path that carries the session dies, and the session goes on.
 * On a terminal it then stays with a live status; otherwise it ends, with 0 only if the session survived.
 * `npm start -- --bus nats`: the same with both ledgers on a NATS server, which is started for it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readCommandLine } from "../command-line.ts";
import {
  hasNatsServer,
  type NatsServers,
  startNatsServers,
} from "../../kernel/drivers/nats/test/nats-servers.ts";
import { type Child, start } from "./children.ts";
import {
  boot,
  clientConfig,
  clientOf,
  type DemoNode,
  gatewayConfig,
  lifecycleOf,
  sessionOf,
  statusOf,
  transportOf,
} from "./nodes.ts";
import type { ClientEvent, ClientStatus, TransportStatus } from "../vpn/said.ts";
import { type Finding, findingsOf } from "./outcome.ts";
import { Paper } from "./paper.ts";
import { INTERVAL_MS, Receiver, Sender } from "./stream.ts";

const RELAY = fileURLToPath(new URL("relay.ts", import.meta.url));
/** The stream before and after the death, long enough to see it flow. */
const FLOW_MS = 1500;
const ATTACH_TIMEOUT_MS = 15_000;
const LOOK_EVERY_MS = 10;
const HEARSAY_MS = 300;
const REPAINT_EVERY_MS = 500;

const { values, usage } = readCommandLine("npm start -- [--bus embedded|nats]", {
  bus: { type: "string", default: "embedded" },
});
if (!["embedded", "nats"].includes(values.bus)) usage(`no bus is called ${values.bus}`);
const tty = process.stdout.isTTY === true;
const paper = new Paper(
  tty,
  tty && (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb",
  (text) => process.stdout.write(text),
  Date.now(),
);
/** A person asked for the end. */
class Stop extends Error {}
const isStop = (reason: unknown): boolean => reason instanceof Stop;
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => interrupted.abort(new Stop(signal)));
}

// Short, because a unix socket's path is.
const home = await mkdtemp(join(tmpdir(), "vnes-demo-"));
const children: Child[] = [];
const onDeath = (name: string, tail: string): void => {
  // Ctrl-C reaches every process of the terminal at once, and this one may be the last to hear of it.
  setTimeout(() => interrupted.abort(new Error(`${name} died\n${tail}`)), HEARSAY_MS);
};

let servers: NatsServers | undefined;
let survived = false;
try {
  if (values.bus === "nats") servers = await startServer();
  survived = await demonstrate();
} catch (error) {
  const asked = isStop(interrupted.signal.reason);
  if (!asked) paper.line(paper.style("red", error instanceof Error ? error.message : String(error)));
} finally {
  for (const child of children.reverse()) await child.end();
  await servers?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
}
process.exit(survived ? 0 : 1);

async function startServer(): Promise<NatsServers> {
  if (!hasNatsServer())
    throw new Error("there is no nats-server on this machine\nnext: sudo apt-get install nats-server");
  return await startNatsServers();
}

async function demonstrate(): Promise<boolean> {
  paper.line(paper.style("bold", "VNES: two nodes, one session, two paths. One path will die."));
  const receiver = await Receiver.open();

  paper.heading("The gateway boots");
  const gateway = await bootAndShow("gateway", "vnes.vpn.gateway", gatewayConfig(receiver.port));
  const { publicKey, listeners } = await transportOf(gateway);
  const { relays, paths } = await openRelays(listeners);

  paper.heading("The client boots");
  const client = await bootAndShow("client", "vnes.vpn.client", clientConfig(publicKey, paths));

  paper.heading("A session, and a stream through it");
  const before = await attached(client, (status) => status.session !== null && status.active !== null);
  const opened = lastEvent(before, "attached");
  paper.moment(opened?.at ?? Date.now(), "client", `session ${describe(before)}`);
  const { pipe } = await transportOf(client);
  const sender = await Sender.open(pipe.listen?.port ?? 0);
  sender.start();
  await pause(FLOW_MS);
  const flowing = receiver.counts(sender.sent);
  paper.moment(
    Date.now(),
    "stream",
    `${flowing.received} of ${flowing.sent} datagrams arrived, one every ${INTERVAL_MS} ms`,
  );
  if (flowing.received === 0) throw new Error("the stream does not arrive at all");

  receiver.forgetPauses();
  const after = await killPath(client, before.active?.pathId ?? "", relays);
  paper.moment(Date.now(), "client", `session ${describe(after)}`);
  sender.stop();
  await pause(FLOW_MS / 3);
  const counts = receiver.counts(sender.sent);
  const owner = await sessionOf(gateway, after.session?.id ?? "");

  paper.heading("What became of it");
  const findings = findingsOf({ before, after, owner, flowing, counts });
  for (const finding of findings) tellFinding(finding);
  const good = findings.every((finding) => finding.good);
  paper.line();
  paper.line(
    good
      ? paper.style("green", "The session survived its transport.")
      : paper.style("red", "The session did not survive."),
  );
  if (tty) await stay(gateway, client, sender, receiver);
  sender.close();
  receiver.close();
  for (const node of [client, gateway]) node.control.close();
  return good;
}

/** A process for each way to the gateway, so that one can die without the other. */
async function openRelays(listeners: TransportStatus["listeners"]): Promise<{
  readonly relays: ReadonlyMap<string, Child>;
  readonly paths: readonly { readonly pathId: string; readonly kind: string; readonly port: number }[];
}> {
  const relays = new Map<string, Child>();
  const paths: { pathId: string; kind: string; port: number }[] = [];
  // UDP first: when its relay goes, nothing is told to anybody, and only the silence can be noticed.
  for (const { kind, port } of [...listeners].sort((a, b) => (a.kind > b.kind ? -1 : 1))) {
    const args = [kind, "0", "127.0.0.1", String(port)];
    const child = await start({ name: `relay ${kind}`, file: RELAY, args, onDeath });
    children.push(child);
    const relay = JSON.parse(child.ready) as { readonly port: number };
    relays.set(kind, child);
    paths.push({ pathId: kind, kind, port: relay.port });
    paper.moment(Date.now(), "relay", `${kind}: a process of its own, ${relay.port} -> ${port}`);
  }
  return { relays, paths };
}

/** Closes the relay under the session, and tells what the client did about it. */
async function killPath(
  client: DemoNode,
  dying: string,
  relays: ReadonlyMap<string, Child>,
): Promise<ClientStatus> {
  paper.heading(`The ${dying} relay is closed. Nobody tells the nodes.`);
  const relay = relays.get(dying);
  if (relay === undefined) throw new Error(`no relay carries ${dying}`);
  const closedAt = Date.now();
  await relay.end();
  paper.moment(closedAt, "relay", `${dying}: closed`);
  const after = await attached(client, ({ active }) => active !== null && active.pathId !== dying);
  await pause(FLOW_MS);
  // The two numbers people ask for: when it was noticed, and when the stream could go on.
  for (const event of after.recent.filter(({ at }) => at >= closedAt).sort((a, b) => a.at - b.at)) {
    paper.moment(event.at, "client", tellEvent(event, closedAt));
  }
  return after;
}

async function bootAndShow(
  name: string,
  capsule: string,
  config: Parameters<typeof boot>[0]["config"],
): Promise<DemoNode> {
  const startedAt = Date.now();
  paper.moment(startedAt, name, "vnes boot");
  const node = await boot({ home, name, run: [capsule], config, bus: servers?.urls, onDeath });
  children.push(node.child);
  const { bootMs, capsules: known } = await statusOf(node);
  // What is verified and not wanted on this node stays verified; it has no part in the story.
  const capsules = known.filter(({ state }) => state !== "verified");
  const transitions = await lifecycleOf(node);
  const lives = capsules.map(({ id, version, imageHash }) => {
    const own = transitions.filter(({ capsule }) => capsule === id);
    return { id, version, imageHash, own, at: own.at(-1)?.at ?? Date.now() };
  });
  for (const { id, version, imageHash, own, at } of lives.sort((a, b) => a.at - b.at)) {
    const path = ["discovered", ...own.map(({ to }) => to)].join(" -> ");
    paper.moment(
      at,
      name,
      `${`${id} ${version}`.padEnd(30)} ${path}  ${paper.style("dim", imageHash.slice(7, 19))}`,
    );
  }
  const active = capsules.filter(({ state }) => state === "active").length;
  paper.moment(
    Date.now(),
    name,
    `${active} of ${capsules.length} capsules active; boot took ${Math.round(bootMs)} ms, the process ${Date.now() - startedAt} ms`,
  );
  return node;
}

async function attached(client: DemoNode, until: (status: ClientStatus) => boolean): Promise<ClientStatus> {
  const deadline = Date.now() + ATTACH_TIMEOUT_MS;
  for (;;) {
    const status = await clientOf(client);
    if (status.mode === "steady" && until(status)) return status;
    if (Date.now() > deadline)
      throw new Error(`the client is ${status.mode} (${status.reason}), not attached`);
    await pause(LOOK_EVERY_MS);
  }
}

async function pause(ms: number): Promise<void> {
  const { signal } = interrupted;
  signal.throwIfAborted();
  await new Promise<void>((done, fail) => {
    const stop = (): void => {
      clearTimeout(timer);
      fail(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      done();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

function lastEvent(status: ClientStatus, event: string): ClientEvent | undefined {
  return status.recent.filter((one) => one.event === event).sort((a, b) => b.at - a.at)[0];
}

function describe({ session, active }: ClientStatus): string {
  if (session === null) return "none";
  const { id, state, version, epoch } = session;
  return `${paper.style("cyan", id)}  ${state}  version ${version}  epoch ${epoch}  over ${active?.pathId ?? "nothing"}`;
}

function tellEvent({ event, reason, pathId, fromPathId, at }: ClientEvent, since: number): string {
  const after = `${at - since} ms after the relay closed`;
  const path = fromPathId !== null && fromPathId !== pathId ? `${fromPathId} -> ${pathId}` : (pathId ?? "");
  return `${event}  ${path}  ${reason}  ${paper.style("yellow", after)}`;
}

function tellFinding({ good, name, text }: Finding): void {
  const mark = good ? paper.style("green", "ok  ") : paper.style("red", "FAIL");
  paper.line(`  ${mark}  ${name.padEnd(10)}  ${text}`);
}

/** Until Ctrl-C: the stream goes on, and a few lines are painted over again and again. */
async function stay(gateway: DemoNode, client: DemoNode, sender: Sender, receiver: Receiver): Promise<void> {
  paper.line(
    paper.style(
      "dim",
      `Ctrl-C ends it. Meanwhile: npx vnes status --config ${join(home, "client", "config.json")} --home ${home}`,
    ),
  );
  paper.line();
  sender.start();
  try {
    for (;;) {
      const [mirror, ...nodes] = await Promise.all([clientOf(client), statusOf(gateway), statusOf(client)]);
      const { received, missing, duplicates } = receiver.counts(sender.sent);
      paper.repaint([
        `session   ${describe(mirror)}`,
        ...nodes.map(({ node, state, capsules, ledger }) => {
          const active = capsules.filter((one) => one.state === "active").length;
          const turns = capsules.reduce((sum, one) => sum + one.turns, 0);
          return `${node.padEnd(8)}  ${state}  ${active} capsules active  ${turns} turns  ${ledger.records} records`;
        }),
        `stream    ${sender.sent} sent  ${received} received  ${missing} lost  ${duplicates} duplicates`,
      ]);
      await pause(REPAINT_EVERY_MS);
    }
  } catch (error) {
    if (!isStop(interrupted.signal.reason)) throw error;
  }
}
