/**
 * What a machine does to its own network under a session: routes, interfaces and addresses go, at either end, on real interfaces.
 * The session goes on over the other path as the same one, and every sign of trouble is named as what it was. Breaks of one cable.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@vnes/schemas";
import type { ClientStatus } from "../vpn/said.ts";
import { isOver, type TwoNodes } from "./nodes.ts";

export interface Break {
  readonly what: string;
  readonly space: "cl" | "gw";
  /** Of `ip` in that space; the cable is `wifi`, the client's end of it 10.77.1.2. */
  readonly breaks: readonly string[];
  readonly heals: readonly string[];
  /** What the client may say of it: whichever sign comes first. */
  readonly reasons: readonly string[];
}

const ROUTE = "10.77.1.0/24 dev wifi";
/** Seen by the first send, where the machine has no way left, or by its list of addresses. */
const NO_WAY = ["SEND_FAILED", "ADDRESSES_CHANGED"];
export const BREAKS: readonly Break[] = [
  {
    ...{ what: "the client's route is withdrawn", space: "cl", reasons: ["SEND_FAILED"] },
    ...{ breaks: [`route del ${ROUTE}`], heals: [`route add ${ROUTE}`] },
  },
  {
    ...{ what: "the client's interface goes down", space: "cl", reasons: NO_WAY },
    ...{ breaks: ["link set wifi down"], heals: ["link set wifi up"] },
  },
  {
    ...{
      what: "the client gets another address",
      space: "cl",
      reasons: ["ADDRESSES_CHANGED", "PATH_SILENT"],
    },
    breaks: ["addr add 10.77.1.3/24 dev wifi", "addr del 10.77.1.2/24 dev wifi"],
    heals: ["addr flush dev wifi", "addr add 10.77.1.2/24 dev wifi"],
  },
  {
    ...{ what: "the client's address is removed", space: "cl", reasons: NO_WAY },
    ...{ breaks: ["addr del 10.77.1.2/24 dev wifi"], heals: ["addr add 10.77.1.2/24 dev wifi"] },
  },
  {
    ...{ what: "the gateway's interface goes down", space: "gw", reasons: [...NO_WAY, "PATH_SILENT"] },
    ...{ breaks: ["link set wifi down"], heals: ["link set wifi up"] },
  },
  {
    ...{ what: "the gateway's address is removed", space: "gw", reasons: ["PATH_SILENT"] },
    ...{ breaks: ["addr del 10.77.1.1/24 dev wifi"], heals: ["addr add 10.77.1.1/24 dev wifi"] },
  },
  {
    ...{ what: "the gateway's route is withdrawn", space: "gw", reasons: ["PATH_SILENT"] },
    ...{ breaks: [`route del ${ROUTE}`], heals: [`route add ${ROUTE}`] },
  },
  {
    ...{ what: "the client's interface is deleted", space: "cl", reasons: NO_WAY },
    ...{ breaks: ["link del wifi"], heals: [] },
  },
];

/** Breaks and heals the first path again and again; throws unless the session outlives it over the other. */
export async function outlives(nodes: TwoNodes, breaks: readonly Break[]): Promise<{ readonly id: string }> {
  // Else the second address of an interface goes with its first.
  nodes.spaces.set("cl", "net.ipv4.conf.all.promote_secondaries", "1");
  let status: ClientStatus = await nodes.until("attached over wifi", isOver("wifi"));
  const id = status.session?.id;
  assert.ok(id);
  for (const { what, space, breaks: commands, heals, reasons } of breaks) {
    const epoch = status.session?.epoch ?? 0;
    for (const command of commands) nodes.spaces.ip(space, command);
    status = await nodes.until(what, isOver("lte"));
    assert.equal(status.session?.id, id, what);
    assert.equal(status.session?.epoch, epoch + 1, `${what}: one switch`);
    // Of the channel that was left: a busy machine can make the new one fall silent for a moment too.
    const sign = status.recent.findLast((told) => told.event === "suspected" && told.epoch === epoch);
    assert.equal(sign?.pathId, "wifi", what);
    assert.ok(reasons.includes(sign?.reason ?? ""), `${what}: ${sign?.reason}`);
    if (sign?.reason === "SEND_FAILED") assert.equal(sign.evidence["code"], "ENETUNREACH", what);
    for (const command of heals) nodes.spaces.ip(space, command);
    if (heals.length > 0) status = await backToWifi(nodes);
  }
  await assertHistory(nodes, id);
  return { id };
}

/** An interface that came up needs a moment before it carries anything. */
async function backToWifi(nodes: TwoNodes): Promise<ClientStatus> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const status = await nodes.until("nothing tried", ({ mode }) => mode === "steady");
    if (isOver("wifi")(status)) return status;
    await nodes.client.ask("vpn.client", "jump", { pathId: "wifi" }).catch(() => {});
    await sleep(250);
  }
  return await nodes.until("back over wifi", isOver("wifi"));
}

/** The owner's own record: one identity, every version once, no transition without its reason. */
async function assertHistory({ gateway }: TwoNodes, id: string): Promise<void> {
  const { events } = await gateway.home.json<{ events: readonly { event: JsonObject }[] }>(
    ...["session", "history", id, "--limit", "1000"],
  );
  const moves = events.map(({ event }) => event).filter(({ version, from }) => version && from !== undefined);
  assert.ok(moves.length > 3);
  assert.deepEqual(
    moves.map(({ version }) => version),
    moves.map((_, index) => index + 1),
  );
  assert.ok(moves.every(({ reason, sessionId }) => typeof reason === "string" && sessionId === id));
}
