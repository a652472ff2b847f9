/** `vnes status`: how a running node is. */
import type { BusStatus, CapsuleStatus, NodeStatus } from "@vnes/kernel";
import type { Argv } from "yargs";
import type { Output } from "../output/output.ts";
import { reasonsText } from "../output/problem.ts";
import { duration, fields, shortHash, table } from "../output/text.ts";
import type { OlderAnswer } from "../control/older-answer.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

export type StatusAnswer = OlderAnswer<NodeStatus, "refused">;

export function addStatus(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "status",
    "Show how a running node is",
    (args) => args,
    async (args) => {
      const status = await withNode(shell, args, async (client) => {
        return (await client.request("status")) as unknown as StatusAnswer;
      });
      shell.output.data("vnes.status.v1", status, statusText(shell.output, status));
      if (status.state !== "running") shell.fail("failed");
    },
  );
}

function statusText(output: Output, status: StatusAnswer): string {
  const {
    node,
    pid,
    state,
    bootedAt,
    now,
    bootMs,
    capsules,
    quarantined,
    refused = [],
    ledger,
    problems,
  } = status;
  const parts = [
    fields([
      ["node", node],
      ["state", state],
      ["pid", pid],
      ["up", `${duration(now - bootedAt)}, booted in ${duration(bootMs)}`],
      ["ledger", ledgerText(ledger)],
      ...(status.bus === undefined ? [] : [["bus", busText(status.bus)] as const]),
      ["quarantine", quarantined === 0 ? "empty" : output.next(`${quarantined} (vnes quarantine list)`)],
    ]),
    capsules.length === 0 ? "no capsules" : capsuleTable(output, capsules),
  ];
  const counted = Object.entries(status.counters).filter(([, count]) => count > 0);
  if (counted.length > 0)
    parts.push(`counted\n${fields(counted.map(([name, count]) => [`  ${name}`, count]))}`);
  if (refused.length > 0) {
    const lines = refused.map(
      ({ id, version, code, entry }) =>
        `  ${id}${version === null ? "" : ` ${version}`} ${code}: ${output.next(`vnes quarantine show ${entry}`)}`,
    );
    parts.push(`in quarantine since this boot, and not here as another image\n${lines.join("\n")}`);
  }
  if (problems.length > 0) parts.push(reasonsText(output, problems));
  return parts.join("\n\n");
}

function busText({ servers, namespace, connected, version }: BusStatus): string {
  return `${namespace} on ${servers.join(", ")}, nats-server ${version}${connected ? "" : ", not connected"}`;
}

function ledgerText({ records, kept, shards, sinceSnapshot, bytes }: NodeStatus["ledger"]): string {
  const held = kept === undefined ? "" : `${kept} kept of `;
  const taken = bytes === undefined ? "" : `, ${(bytes / 1_048_576).toFixed(1)} MiB`;
  return `${held}${records} records written in ${shards} shards${taken}; a boot would fold ${sinceSnapshot}`;
}

export function capsuleTable(output: Output, capsules: readonly CapsuleStatus[]): string {
  return table(capsules, [
    { title: "capsule", value: ({ id }) => id },
    { title: "version", value: ({ version }) => version },
    {
      title: "state",
      value: ({ state }) => state,
      paint: ({ state }, text) => paintState(output, state, text),
    },
    { title: "zone", value: ({ zone }) => zone },
    { title: "turns", value: ({ turns }) => turns, align: "right" },
    { title: "failed", value: ({ failedTurns }) => failedTurns, align: "right" },
    { title: "restarts", value: ({ restarts }) => restarts, align: "right" },
    { title: "image", value: ({ imageHash }) => shortHash(imageHash) },
    { title: "reason", value: ({ reason }) => reason },
  ]);
}

function paintState(output: Output, state: CapsuleStatus["state"], text: string): string {
  if (state === "active") return output.paint("green", text);
  return output.paint(state === "quarantined" || state === "unloaded" ? "red" : "yellow", text);
}
