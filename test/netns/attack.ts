/**
 * Two nodes and somebody else: a third space with a cable of its own to the gateway, which hears from it under every address
 * it cares to write into a packet. The nodes are patient, so that nothing but the attack decides what happens.
 */
import { readFileSync } from "node:fs";
import type { Counters } from "../vpn/said.ts";
import { openTwoNodes, type TwoNodes, type TwoNodesOptions } from "./nodes.ts";
import { openRaw, type Raw } from "./raw.ts";

/** On a machine that is busy with a flood, nobody is silent who is only slow. */
const PATIENT = { keepaliveMs: 100, silentMs: 5_000, deadMs: 20_000, openTimeoutMs: 5_000 };

export const ATTACKER = "10.77.3.2";

export interface Attacked extends AsyncDisposable {
  readonly nodes: TwoNodes;
  readonly attacker: Raw;
  /** At the gateway, where what passes can be read, and sent in its name. */
  readonly gateway: Raw;
}

export async function openAttacked(options: TwoNodesOptions = {}): Promise<Attacked> {
  await using stack = new AsyncDisposableStack();
  const nodes = stack.use(await openTwoNodes({ rhythm: PATIENT, ...options, spaces: ["at"] }));
  const { spaces } = nodes;
  spaces.cable("evil", "gw", "at", 3);
  // Nothing of the system stands in the way: what is refused, the transport refuses.
  for (const name of ["all", "evil"]) spaces.set("gw", `net.ipv4.conf.${name}.rp_filter`, "0");
  spaces.ip("gw", `route add default via ${ATTACKER}`);
  spaces.ip("at", "route add default via 10.77.3.1");
  const [attacker, gateway] = await Promise.all([openRaw(spaces, "at"), openRaw(spaces, "gw")]);
  stack.use(attacker);
  stack.use(gateway);
  const all = stack.move();
  return { nodes, attacker, gateway, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** What was counted between two looks, by name. */
export function counted(before: Counters, after: Counters): Counters {
  const more = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  return Object.fromEntries(more.filter(([, value]) => value > 0));
}

/** Resident memory of the processes below one, in MB, the largest first. */
export function memoryBelow(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return (children === "" ? [] : children.split(" "))
    .map((child) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, "utf8"))?.[1]) / 1024)
    .sort((a, b) => b - a);
}
