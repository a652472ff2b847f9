/** The whole VPN in the lab: one gateway, one client, two paths between them, and what must hold after every turn. */
import assert from "node:assert/strict";
import type { Json, JsonObject } from "@vnes/sdk";
import client from "../client/src/main.ts";
import gateway from "../gateway/src/main.ts";
import session from "../session/src/main.ts";
import { Lab, Node, SPECS } from "./lab.ts";
import { Network } from "./network.ts";

export const KEYS = {
  client: "Y2xpZW50Y2xpZW50Y2xpZW50Y2xpZW50Y2xpZW50Y2w=",
  gateway: "Z2F0ZXdheWdhdGV3YXlnYXRld2F5Z2F0ZXdheWdhdGU=",
  stranger: "c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vyc3RyYW5nZXI=",
};

export interface Vpn {
  readonly lab: Lab;
  readonly network: Network;
  readonly gateway: Node;
  readonly client: Node;
  status(): JsonObject;
  mode(): string;
  sessionId(): string | null;
  activePath(): string | null;
  /** Session events so far, in order. */
  moves(): readonly JsonObject[];
  /** Throws unless every numbered invariant that can be seen from outside holds. */
  check(): void;
}

export interface Options {
  readonly seed?: number;
  readonly paths?: readonly string[];
  readonly gateway?: JsonObject;
  readonly client?: JsonObject;
  readonly policy?: JsonObject;
}

export function openVpn(options: Options = {}): Vpn {
  const { seed = 1, paths = ["wifi", "lte"] } = options;
  const lab = new Lab(seed);
  const network = new Network(lab, paths, KEYS);
  const gatewayNode = new Node(lab, "gateway", (node) => network.driver(node));
  const clientNode = new Node(lab, "client", (node) => network.driver(node));
  network.gateway = gatewayNode;
  gatewayNode.add(SPECS.session, session, null);
  const gatewayConfig = { admit: [{ peer: KEYS.client, name: "laptop" }], watchMs: 1000, ...options.gateway };
  gatewayNode.add(SPECS.gateway, gateway, gatewayConfig);
  clientNode.add(SPECS.client, client, {
    gateway: KEYS.gateway,
    candidates: paths.map((pathId, index) => ({
      pathId,
      kind: "udp",
      address: "127.0.0.1",
      port: 4000 + index,
      priority: 10,
    })),
    policy: {
      cooldownMs: 300,
      maxSwitchesPerMinute: 30,
      recoveryMs: 30_000,
      watchMs: 1000,
      ...options.policy,
    },
    ...options.client,
  });
  gatewayNode.boot();
  clientNode.boot();
  const agent = (): JsonObject => clientNode.keysOf(SPECS.client.id).get("agent") as JsonObject;
  const moves = (): readonly JsonObject[] =>
    gatewayNode.published.filter((one) => one.topic === "vpn.session.v1").map((one) => one.event);
  return {
    lab,
    network,
    gateway: gatewayNode,
    client: clientNode,
    moves,
    status: () => clientNode.value("vpn.client", "status", {}),
    mode: () => agent()["mode"] as string,
    sessionId: () => (agent()["session"] as { id: string } | null)?.id ?? null,
    activePath: () => (agent()["active"] as { pathId: string } | null)?.pathId ?? null,
    check: () =>
      checkAll(moves(), gatewayNode.keysOf(SPECS.session.id), gatewayNode.keysOf(SPECS.gateway.id)),
  };
}

type Move = {
  sessionId: string;
  owner: string;
  version: number;
  epoch: number;
  bindings: number;
  from: string | null;
  to: string;
  at: number;
  reason: string;
};

function checkAll(
  moves: readonly JsonObject[],
  sessionKeys: ReadonlyMap<string, Json>,
  gatewayKeys: ReadonlyMap<string, Json>,
): void {
  const last = new Map<string, Move>();
  for (const move of moves as unknown as readonly Move[]) {
    const before = last.get(move.sessionId);
    assert.equal(move.version, (before?.version ?? 0) + 1, "V4: version +1 each step");
    assert.equal(move.from, before?.to ?? null, "every transition starts where the last one ended");
    assert.notEqual(before?.to, "TERMINATED", "V2: TERMINATED is absorbing");
    const binds = move.reason === "ATTACHED_FIRST" || move.reason === "REATTACHED" ? 1 : 0;
    assert.equal(move.epoch, (before?.epoch ?? 0) + binds, "V5: epoch +1 on each bind");
    const bindings = move.to === "ATTACHED" || move.to === "VOLATILE" || move.to === "DEGRADED" ? 1 : 0;
    assert.equal(move.bindings, bindings, "V1: bindings of the state");
    assert.ok(move.at >= (before?.at ?? 0), "V9: time does not go back");
    last.set(move.sessionId, move);
  }
  const live = [...last.values()].filter((move) => move.to !== "TERMINATED");
  assert.equal(new Set(live.map((move) => move.owner)).size, live.length, "V10: one live session an owner");
  const bound = [...sessionKeys]
    .filter(([key]) => key.startsWith("ses/"))
    .map(([, value]) => value as JsonObject);
  const channels = bound.flatMap((one) =>
    one["binding"] === null ? [] : [(one["binding"] as JsonObject)["channelId"]],
  );
  assert.equal(new Set(channels).size, channels.length, "V1: a channel is bound to one session");
  const mirrored = [...gatewayKeys].filter(([key]) => key.startsWith("bound/")).map(([, value]) => value);
  assert.equal(new Set(mirrored).size, mirrored.length, "V1: a session has one bound channel");
}
