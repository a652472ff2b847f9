/** The whole VPN in the lab: one gateway, one client, two paths between them, and what must hold after every turn. */
import type { JsonObject } from "@vnes/sdk";
import geometry from "../../core/geometry/src/main.ts";
import routing from "../../core/routing/src/main.ts";
import classes from "../../policy/session/classes/src/main.ts";
import client from "../client/src/main.ts";
import gateway from "../gateway/src/main.ts";
import session from "../session/src/main.ts";
import { Lab } from "./lab.ts";
import { Node } from "./lab-node.ts";
import { SPECS } from "./specs.ts";
import { Network } from "./network.ts";
import { checkSessions } from "./session-check.ts";

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
  readonly session?: JsonObject;
  readonly client?: JsonObject;
  readonly policy?: JsonObject;
  /** Configurations of the core capsules that the client's node has; those that are left out are not there. */
  readonly core?: { readonly routing?: JsonObject; readonly geometry?: JsonObject };
  /** Configuration of a policy capsule on the gateway's node; absent: there is none. */
  readonly sessionPolicy?: JsonObject;
}

export function openVpn(options: Options = {}): Vpn {
  const { seed = 1, paths = ["wifi", "lte"] } = options;
  const lab = new Lab(seed);
  const network = new Network(lab, paths, KEYS);
  const gatewayNode = new Node(lab, "gateway", (node) => network.driver(node));
  const clientNode = new Node(lab, "client", (node) => network.driver(node));
  network.gateway = gatewayNode;
  gatewayNode.add(SPECS.session, session, options.session ?? null);
  const gatewayConfig = { admit: [{ peer: KEYS.client, name: "laptop" }], watchMs: 1000, ...options.gateway };
  gatewayNode.add(SPECS.gateway, gateway, gatewayConfig);
  const { core = {}, sessionPolicy } = options;
  if (sessionPolicy !== undefined) gatewayNode.add(SPECS.policy, classes, sessionPolicy);
  if (core.geometry !== undefined) clientNode.add(SPECS.geometry, geometry, core.geometry);
  if (core.routing !== undefined) clientNode.add(SPECS.routing, routing, core.routing);
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
      checkSessions(moves(), gatewayNode.keysOf(SPECS.session.id), gatewayNode.keysOf(SPECS.gateway.id)),
  };
}
