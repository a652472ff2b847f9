/**
 * One run of Jumping VPN: a gateway and a client node over a network that loses, doubles and delays, whose paths, nodes,
 * drivers and disks die by seed; then calm, in which the session must come to rest.
 *
 * V-numbers are those of `docs/invariants.md`. Nodes here never come to an end by themselves, so what should have come is
 * not checked; what came is.
 */
import { nodeDigest } from "@vnes/registry";
import type { Json, JsonObject } from "@vnes/schemas";
import { type Death, Network } from "../../capsules/vpn/test/network.ts";
import { parseEffectId } from "../../kernel/src/ledger/effect-id.ts";
import { decodeRecord, type LedgerRecord } from "../../kernel/src/ledger/record.ts";
import { checkSessions } from "../../capsules/vpn/test/session-check.ts";
import { checkLedger } from "../history/check.ts";
import type { LedgerHistory } from "../history/ledger-history.ts";
import { describeProblem } from "../history/problem.ts";
import { CALM, planFaults } from "./fault-plan.ts";
import { CORE_CAPSULES } from "./images.ts";
import { Keeper } from "./keeper.ts";
import type { Outcome, RunParts } from "./run.ts";
import { planKeeping, SimNode } from "./sim-node.ts";
import { SimWeather, TRANSPORT, transportOf } from "./vpn-transport.ts";

export const VPN_CAPSULES: readonly string[] = [
  ...CORE_CAPSULES,
  "vnes.vpn.session",
  "vnes.vpn.gateway",
  "vnes.vpn.client",
  TRANSPORT,
];
const RUNS_ON: { readonly [node: string]: readonly string[] } = {
  gateway: [...CORE_CAPSULES, "vnes.vpn.session", "vnes.vpn.gateway", TRANSPORT],
  client: [...CORE_CAPSULES, "vnes.vpn.client", TRANSPORT],
};
const CLIENT_SHARD = "vnes.vpn.client/0";
const PATHS = ["wifi", "lte"];
const KEYS = {
  client: "Y2xpZW50Y2xpZW50Y2xpZW50Y2xpZW50Y2xpZW50Y2w=",
  gateway: "Z2F0ZXdheWdhdGV3YXlnYXRld2F5Z2F0ZXdheWdhdGU=",
};
const CONFIG: { readonly [node: string]: { readonly [capsule: string]: Json } } = {
  gateway: { "vnes.vpn.gateway": { admit: [{ peer: KEYS.client, name: "laptop" }], watchMs: 1_000 } },
  client: {
    "vnes.vpn.client": {
      gateway: KEYS.gateway,
      candidates: PATHS.map((pathId, index) => {
        return { pathId, kind: "udp", address: "127.0.0.1", port: 4_000 + index, priority: 10 };
      }),
      policy: {
        cooldownMs: 300,
        maxSwitchesPerMinute: 30,
        recoveryMs: 30_000,
        watchMs: 1_000,
        probeMs: 2_000,
        standbys: 1,
      },
    },
  },
};
/** Beside being closed and swallowing all: what only looks like a path. */
const ODD_DEATHS: readonly Death[] = ["noUplink", "noDownlink", "small", "captive"];
/** Virtual time between two things that happen to the network, at most. */
const WEATHER_MS = 700;
/** Of `steps`, one weather change each. */
const STEPS_PER_CHANGE = 2;
const CALM_MS = 90_000;

export async function runVpn({ world, built, realm, vpnTopology, steps }: RunParts): Promise<Outcome> {
  const problems: string[] = [];
  const weather = new SimWeather(world);
  const network = new Network(weather, PATHS, KEYS);
  const keeping = planKeeping(world);
  const nodes = ["gateway", "client"].map((name) => {
    const publicKey = name === "gateway" ? KEYS.gateway : KEYS.client;
    const node: SimNode = new SimNode({
      world,
      name,
      built,
      realm,
      images: (RUNS_ON[name] ?? []).flatMap((id) => built.images.get(id) ?? []),
      config: CONFIG[name] ?? {},
      keeping,
      drivers: (life) => {
        const isGateway = name === "gateway";
        return transportOf(
          { world, weather, network, name, publicKey, isGateway, onCall: durableFirst(node, problems) },
          life,
        );
      },
    });
    return node;
  });
  const keepers = nodes.map((node) => new Keeper(world, node, () => planFaults(world)));
  for (const keeper of keepers) keeper.start();
  for (let change = 0; change * STEPS_PER_CHANGE < steps; change++) {
    await world.until(() => false, world.random.below(WEATHER_MS));
    changeWeather(world, network, nodes);
  }

  for (const keeper of keepers) keeper.end();
  weather.clear();
  for (const pathId of PATHS) network.revive(pathId);
  for (const node of nodes) {
    if (!node.isDown) node.crash("for the calm");
    node.boot(CALM);
  }
  const [gateway, client] = nodes as [SimNode, SimNode];
  let seen = 0;
  let mode: unknown;
  const isAtRest = (): boolean => {
    const records = client.memory.lastSeq(CLIENT_SHARD);
    if (records !== seen) mode = agentOf(client)?.["mode"];
    seen = records;
    return mode === "steady" || mode === "ended";
  };
  if (!(await world.until(() => gateway.isUp && client.isUp && isAtRest(), CALM_MS)))
    problems.push(`the client did not come to rest: ${JSON.stringify(agentOf(client))}`);
  await world.until(() => false, 5_000);
  if (!isAtRest()) problems.push(`the client does not stay at rest: ${JSON.stringify(agentOf(client))}`);
  for (const node of nodes) {
    for (const { code, message } of (await node.status())?.problems ?? [])
      problems.push(`${node.name} without faults: ${code} ${message}`);
    node.crash("at the end");
    const stored = node.memory.everRecorded();
    const { ledger, problems: broken } = checkLedger(stored, {
      digest: nodeDigest,
      topology: vpnTopology,
      quietAt: undefined,
      counting: new Map(),
      // Of two events of the VPN nothing tells which is which, and drivers are among those that publish.
      distinct: new Set(),
    });
    problems.push(...broken.map((problem) => `${node.name}: ${describeProblem(problem)}`));
    if (node === gateway) problems.push(...sessionProblems(ledger));
  }
  return {
    problems,
    undecided: 0,
    ledgers: nodes.map(({ memory }) => memory.everRecorded()),
    operations: steps,
    lives: gateway.lives + client.lives,
  };
}

/** C1 for the outside world: what reaches a driver was asked for by a record that is durable. */
function durableFirst(node: SimNode, problems: string[]): (callId: string) => void {
  return (callId) => {
    const call = parseEffectId(callId);
    if (call === undefined || callId.startsWith("control/")) return;
    const durable = node.memory.lastSeq(call.shard);
    if (call.seq > durable)
      problems.push(`${node.name}: the driver was called for ${callId} before it was durable`);
  };
}

function changeWeather(world: RunParts["world"], network: Network, nodes: readonly SimNode[]): void {
  const path = world.pick(PATHS);
  const node = world.pick(nodes);
  const draw = world.random.below(20);
  world.trace(`weather ${draw} ${path} ${node.name}`);
  if (draw < 4) network.kill(path, "closed");
  else if (draw < 8) network.kill(path, "blackhole");
  else if (draw < 9) node.killDriver(TRANSPORT);
  else if (draw < 10) node.crash("weather");
  else if (draw < 12) network.kill(path, world.pick(ODD_DEATHS));
  else network.revive(path);
}

/** What the client capsule keeps of itself: its last write in the ledger. */
function agentOf({ memory }: SimNode): JsonObject | undefined {
  for (const { seq, bytes } of [...(memory.shards.get(CLIENT_SHARD) ?? [])].reverse()) {
    const record = decodeRecord(CLIENT_SHARD, seq, bytes);
    if (record.kind !== "turn") continue;
    const agent = keysOf([record]).get("agent");
    if (agent !== undefined) return agent as JsonObject;
  }
  return undefined;
}

function keysOf(records: readonly LedgerRecord[]): Map<string, Json> {
  const keys = new Map<string, Json>();
  for (const record of records) {
    for (const effect of record.kind === "turn" ? record.effects : []) {
      if (effect.do === "write") keys.set(effect.key, effect.value);
      if (effect.do === "delete") keys.delete(effect.key);
    }
  }
  return keys;
}

function sessionProblems({ shards }: LedgerHistory): readonly string[] {
  const moves: JsonObject[] = [];
  for (const record of shards.get("topic/vpn.session.v1/0")?.records ?? [])
    if (record.kind === "event") moves.push(record.event as JsonObject);
  const keys = (shard: string): Map<string, Json> => keysOf(shards.get(shard)?.records ?? []);
  try {
    checkSessions(moves, keys("vnes.vpn.session/0"), keys("vnes.vpn.gateway/0"));
    return [];
  } catch (error) {
    return [`sessions: ${error instanceof Error ? error.message : String(error)}`];
  }
}
