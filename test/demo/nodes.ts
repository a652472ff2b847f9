/** The two nodes of the demonstration: their configuration files, their processes, and questions to them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "@vnes/kernel";
import type { Answer, Json, JsonObject, NodeConfig } from "@vnes/schemas";
import { ControlClient } from "vnes";
import type { ClientStatus, TransportStatus } from "../vpn/said.ts";
import { type Child, start } from "./children.ts";

const VNES = fileURLToPath(new URL("../../cli/bin/vnes.js", import.meta.url));
const LOOPBACK = "127.0.0.1";
const KEEPALIVE_MS = 40;
/** Silence after which a path is suspected: three keepalives and room for a busy machine. */
const SILENT_MS = 160;

export interface SessionView {
  readonly sessionId: string;
  readonly state: string;
  readonly version: number;
  readonly epoch: number;
  readonly bindings: number;
  readonly binding: { readonly pathId: string } | null;
}

export interface Transition {
  readonly capsule: string;
  readonly version: string;
  readonly to: string;
  readonly image: string;
  readonly at: number;
}

export interface DemoNode {
  readonly name: string;
  readonly child: Child;
  readonly control: ControlClient;
}

export interface BootOptions {
  readonly home: string;
  readonly name: string;
  /** Capsules to run; what they require comes along. */
  readonly run: readonly string[];
  readonly config: { readonly [capsule: string]: Json };
  /** Servers that keep the ledger; undefined: a file of the node. */
  readonly bus?: readonly string[] | undefined;
  onDeath(name: string, tail: string): void;
}

/** One `vnes boot` with a data directory of its own. */
export async function boot({ home, name, run, config, bus, onDeath }: BootOptions): Promise<DemoNode> {
  const dir = join(home, name);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const settings: NodeConfig = {
    schema_version: "v1",
    node: name,
    data_dir: join(dir, "data"),
    // Two nodes of two systems, as the two ends of a VPN are.
    ...(bus === undefined ? {} : { bus: { servers: bus, namespace: name } }),
    capsules: { run, config },
  };
  const file = join(dir, "config.json");
  await writeFile(file, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  const args = ["boot", "--home", home, "--config", file, "--output", "json"];
  const child = await start({ name, file: VNES, args, onDeath });
  const { controlSocket } = JSON.parse(child.ready) as { readonly controlSocket: string };
  const control = await ControlClient.connect({ path: controlSocket, node: name });
  return { name, child, control };
}

export function gatewayConfig(forwardPort: number): { readonly [capsule: string]: Json } {
  return {
    "vnes.vpn.transport": {
      listen: [
        { pathId: "udp", kind: "udp", address: LOOPBACK, port: 0 },
        { pathId: "tcp", kind: "tcp", address: LOOPBACK, port: 0 },
      ],
      keepaliveMs: KEEPALIVE_MS,
      silentMs: SILENT_MS,
      pipe: { forward: { address: LOOPBACK, port: forwardPort } },
    },
    "vnes.vpn.gateway": { admit: "any" },
  };
}

export function clientConfig(
  gateway: string,
  paths: readonly { readonly pathId: string; readonly kind: string; readonly port: number }[],
): { readonly [capsule: string]: Json } {
  return {
    "vnes.vpn.transport": {
      keepaliveMs: KEEPALIVE_MS,
      silentMs: SILENT_MS,
      pipe: { listen: { address: LOOPBACK, port: 0 }, peer: gateway },
    },
    "vnes.vpn.client": {
      gateway,
      candidates: paths.map((path, i) => ({ ...path, address: LOOPBACK, priority: 10 * (i + 1) })),
    },
  };
}

export async function ask<T>(
  { control, name }: DemoNode,
  capability: string,
  method: string,
  input: JsonObject = {},
): Promise<T> {
  const params = { capability, method, input, timeout_ms: 5000 };
  const answer = (await control.request("call", params)) as unknown as Answer;
  if (answer.ok) return answer.value as unknown as T;
  throw new Error(`${name}: ${capability}.${method}: ${answer.code}: ${answer.message}`);
}

export async function transportOf(node: DemoNode): Promise<TransportStatus> {
  return await ask(node, "vpn.transport", "status");
}

export async function clientOf(node: DemoNode): Promise<ClientStatus> {
  return await ask(node, "vpn.client", "status");
}

export async function sessionOf(node: DemoNode, sessionId: string): Promise<SessionView> {
  return await ask(node, "vpn.session", "get", { sessionId });
}

export async function statusOf(node: DemoNode): Promise<NodeStatus> {
  return (await node.control.request("status")) as unknown as NodeStatus;
}

/** The lifecycle transitions since the boot at `since`, oldest first. */
export async function lifecycleOf(node: DemoNode): Promise<readonly Transition[]> {
  const { events } = await ask<{ readonly events: readonly { readonly event: Transition }[] }>(
    node,
    "observability",
    "recent",
    { kind: "lifecycle", limit: 100 },
  );
  return events.map(({ event }) => event).reverse();
}
