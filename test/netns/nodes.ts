/** A gateway and a client as two real nodes in two namespaces, with two cables between them: `wifi` and `lte`. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Json, JsonObject } from "@vnes/schemas";
import { ControlClient } from "vnes";
import type { ClientStatus, TransportStatus } from "../vpn/said.ts";
import { type Booted, Home, type Ran } from "../cli/vnes.ts";
import { type Namespaces, openNamespaces } from "./namespaces.ts";

export const PORT = 4000;
export const CABLES = ["wifi", "lte"] as const;
/** Far above what anything here needs; a test that waits this long has failed. */
const PATIENCE_MS = 20_000;
const RHYTHM = { keepaliveMs: 50, silentMs: 400, deadMs: 3000, addressMs: 200 };

export interface NodeInSpace {
  readonly home: Home;
  readonly booted: Booted;
  ask<T>(capability: string, method: string, input?: JsonObject): Promise<T>;
  transport(): Promise<TransportStatus>;
  /** `vnes` with the node's configuration. */
  vnes(...args: readonly string[]): Promise<Ran>;
}

export interface TwoNodes extends AsyncDisposable {
  readonly spaces: Namespaces;
  readonly gateway: NodeInSpace;
  readonly client: NodeInSpace;
  status(): Promise<ClientStatus>;
  /** Polls the client until it is so. */
  until(what: string, isSo: (status: ClientStatus) => boolean, patienceMs?: number): Promise<ClientStatus>;
}

export interface TwoNodesOptions {
  readonly kind?: "udp" | "tcp";
  readonly gateway?: JsonObject;
  readonly client?: JsonObject;
  /** Of both transports, in the place of what tests of broken paths need. */
  readonly rhythm?: JsonObject;
  /** More spaces beside `gw` and `cl`. */
  readonly spaces?: readonly string[];
}

/** The first interface is the gateway's end: `10.77.1.1` and `10.77.2.1`. */
const gatewayAddress = (cable: string): string =>
  `10.77.${CABLES.indexOf(cable as (typeof CABLES)[number]) + 1}.1`;

export async function openTwoNodes(options: TwoNodesOptions = {}): Promise<TwoNodes> {
  const { kind = "udp", rhythm = RHYTHM } = options;
  await using stack = new AsyncDisposableStack();
  const spaces = stack.use(openNamespaces(["gw", "cl", ...(options.spaces ?? [])]));
  for (const [index, name] of CABLES.entries()) spaces.cable(name, "gw", "cl", index + 1);
  const listen = CABLES.map((pathId) => ({ pathId, kind, address: gatewayAddress(pathId), port: PORT }));
  const gateway = await bootIn(stack, spaces, "gw", "vnes.vpn.gateway", {
    "vnes.vpn.transport": { ...rhythm, listen },
    "vnes.vpn.gateway": { admit: "any", watchMs: 1000, ...options.gateway },
  });
  const { publicKey } = await gateway.transport();
  const candidates = CABLES.map((pathId, index) => ({
    ...{ pathId, kind, address: gatewayAddress(pathId), port: PORT, priority: 10 * (index + 1) },
  }));
  const client = await bootIn(stack, spaces, "cl", "vnes.vpn.client", {
    "vnes.vpn.transport": rhythm,
    "vnes.vpn.client": { gateway: publicKey, candidates, ...options.client },
  });
  const status = (): Promise<ClientStatus> => client.ask("vpn.client", "status");
  const all = stack.move();
  return {
    ...{ spaces, gateway, client, status },
    until: (what, isSo, patienceMs) => until(what, status, isSo, patienceMs),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

export async function until<T>(
  what: string,
  look: () => Promise<T>,
  isSo: (seen: T) => boolean,
  patienceMs: number = PATIENCE_MS,
): Promise<T> {
  for (const giveUpAt = performance.now() + patienceMs; ; await sleep(25)) {
    const seen = await look();
    if (isSo(seen)) return seen;
    assert.ok(performance.now() < giveUpAt, `${what}: ${JSON.stringify(seen)}`);
  }
}

export const isOver =
  (pathId: string) =>
  ({ mode, active }: ClientStatus): boolean =>
    mode === "steady" && active?.pathId === pathId;

export async function bootIn(
  stack: AsyncDisposableStack,
  spaces: Namespaces,
  space: string,
  run: string,
  config: { readonly [capsule: string]: Json },
): Promise<NodeInSpace> {
  const home = stack.use(new Home(spaces.under(space)));
  const dir = join(home.dir, "config");
  mkdirSync(dir, { recursive: true });
  const settings = { schema_version: "v1", node: space, capsules: { run: [run], config } };
  writeFileSync(join(dir, "config.json"), JSON.stringify(settings));
  const booted = await home.boot();
  const path = booted.ready.controlSocket;
  const control = await ControlClient.connect({ path, node: space });
  stack.defer(() => control.close());
  const ask = async <T>(capability: string, method: string, input: JsonObject = {}): Promise<T> => {
    const params = { capability, method, input, timeout_ms: 5000 };
    const answer = (await control.request("call", params)) as unknown as Answer;
    assert.ok(answer.ok, `${space}: ${capability}.${method}: ${JSON.stringify(answer)}`);
    return answer.value as unknown as T;
  };
  return {
    ...{ home, booted, ask },
    transport: () => ask("vpn.transport", "status"),
    vnes: (...args) => home.run(...args),
  };
}
