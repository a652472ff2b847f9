/** A gateway's and a client's transport on a network in memory, and what tests ask of them. */
import assert from "node:assert/strict";
import type { Answer, DriverRuntime, Json, JsonObject } from "@vnes/sdk/driver";
import { startTransport } from "../src/transport.ts";
import { createMemoryNetwork, type MemoryNetwork, type MemoryNode } from "./memory-network.ts";
import { assertAnswer } from "./spec-check.ts";

export const GATEWAY = { address: "10.0.0.1", port: 500 };
export const TARGET = { address: "10.0.0.1", port: 7000 };
export const RHYTHM = { keepaliveMs: 50, silentMs: 200, deadMs: 1000, handshakeMs: 400, openTimeoutMs: 600 };
export const LISTEN = [
  { pathId: "wan-udp", kind: "udp", ...GATEWAY },
  { pathId: "wan-tcp", kind: "tcp", ...GATEWAY },
] as const;

export interface Lab {
  readonly network: MemoryNetwork;
  readonly gateway: MemoryNode & { readonly driver: DriverRuntime };
  readonly client: MemoryNode & { readonly driver: DriverRuntime };
}

export async function lab(
  more: { readonly gateway?: JsonObject; readonly client?: JsonObject } = {},
): Promise<Lab> {
  const network = createMemoryNetwork();
  const gateway = network.node("10.0.0.1");
  const client = network.node("10.0.0.2");
  const pipe = { listen: { address: "10.0.0.2", port: 6000 }, peer: gateway.publicKey };
  const there = await startTransport(gateway.powers, {
    ...RHYTHM,
    listen: LISTEN,
    pipe: { forward: TARGET },
    ...more.gateway,
  });
  const here = await startTransport(client.powers, { ...RHYTHM, pipe, ...more.client });
  return { network, gateway: { ...gateway, driver: there }, client: { ...client, driver: here } };
}

export async function call(driver: DriverRuntime, method: string, input: Json = {}): Promise<Answer> {
  const answer = await driver.call("vpn.transport", method, input);
  assertAnswer(method, answer);
  return answer;
}

/** Starts an open and moves time until it ends. */
export async function open({ network, gateway, client }: Lab, kind: "udp" | "tcp" = "udp"): Promise<string> {
  const answer = await opening({ network, gateway, client }, kind);
  assert.ok(answer.ok, JSON.stringify(answer));
  return (answer.value as { channelId: string }).channelId;
}

export async function opening(
  { network, gateway, client }: Lab,
  kind: "udp" | "tcp",
  peer = gateway.publicKey,
) {
  const pending = call(client.driver, "open", { pathId: `to-${kind}`, kind, ...GATEWAY, peer });
  let answer: Answer | null = null;
  void pending.then((value) => (answer = value));
  for (let i = 0; i < 100 && answer === null; i++) await network.clock.advance(10);
  await network.settle();
  return pending;
}

export const names = (node: MemoryNode) => node.events.map((event) => event["event"]);
export const framesOf = (node: MemoryNode) =>
  node.events.filter((e) => e["event"] === "frame").map((e) => e["frame"]);
export async function status(driver: DriverRuntime) {
  const answer = await call(driver, "status");
  assert.ok(answer.ok);
  return answer.value as unknown as {
    counters: Record<string, number>;
    channels: { channelId: string; state: string; active: boolean; silent: boolean }[];
    pipe: { queued: number };
  };
}
export const counter = async (driver: DriverRuntime, name: string) =>
  (await status(driver)).counters[name] ?? 0;

/** A program at the client's end of the pipe and one at the gateway's, which echoes. */
export async function ends(it: Lab) {
  const received: number[] = [];
  const echoed: number[] = [];
  const here = it.client.powers["net.udp"];
  const there = it.gateway.powers["net.udp"];
  assert.ok(here && there);
  const app = await here.open({
    address: "10.0.0.2",
    port: 6100,
    onDatagram: (bytes) => void echoed.push(bytes[0] ?? -1),
    onError: () => {},
  });
  const target = await there.open({
    ...TARGET,
    onDatagram(bytes, remote) {
      received.push(bytes[0] ?? -1);
      target.send(bytes, remote);
    },
    onError: () => {},
  });
  const send = (n: number) => app.send(Uint8Array.of(n), { address: "10.0.0.2", port: 6000 });
  return { received, echoed, send };
}

export async function activate(it: Lab, channelId: string | null, epoch: number) {
  const remote = it.gateway.events.filter((e) => e["event"] === "opened").at(-1)?.["channelId"] ?? null;
  const there = channelId === null ? null : remote;
  const far = await call(it.gateway.driver, "setActive", {
    peer: it.client.publicKey,
    channelId: there,
    epoch,
  });
  const near = await call(it.client.driver, "setActive", { peer: it.gateway.publicKey, channelId, epoch });
  assert.ok(far.ok && near.ok, JSON.stringify([far, near]));
  await it.network.settle();
  return near.value as { applied: boolean; epoch: number };
}
