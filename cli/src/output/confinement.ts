/** What a capsule is confined to, a line for each setting and why it is so. */
import type { ConfinementDecision } from "@vnes/kernel";
import { table } from "./text.ts";

const NAMES = {
  zone: "zone",
  wall: "wall",
  sharedBy: "host",
  memoryMb: "memory",
  pids: "processes",
  cpuPercent: "processor",
  nice: "niceness",
  openFiles: "open files",
  scratchMb: "scratch",
  messageMb: "message",
  network: "network",
  devices: "devices",
  reads: "reads",
} as const;

export function confinementText(id: string, decision: ConfinementDecision): string {
  if (decision.kind === "refused") {
    const rows = decision.lacks.map(({ part, found, remedy }) => ({ part, found, remedy }));
    const missing = table(rows, [
      { title: "missing", value: ({ part }) => part },
      { title: "found", value: ({ found }) => found },
      { title: "next", value: ({ remedy }) => remedy },
    ]);
    return `${id} cannot be confined here\n${missing}`;
  }
  return table(decision.reasons, [
    { title: "confined", value: ({ setting }) => NAMES[setting] },
    { title: "to", value: ({ value }) => value },
    { title: "by", value: ({ from }) => from },
    { title: "why", value: ({ why }) => why },
  ]);
}
