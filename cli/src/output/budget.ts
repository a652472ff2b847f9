/** What a capsule used and may use, and what became of it when it wanted more. */
import type { Budget, BudgetItem, OverBudget, Usage } from "@vnes/kernel";
import { moment } from "../session/when.ts";
import { bytesText, duration } from "./text.ts";

export interface BudgetInspection {
  /** Since the capsule came up. */
  readonly used: Usage;
  readonly allowed: Budget | null;
  readonly slowed: { readonly since: number; readonly by: BudgetItem } | null;
  readonly over: OverBudget | null;
}

type Line = readonly [name: string, value: string];

const RATES = {
  turns: (rate: number) => `${rate} turns`,
  messages: (rate: number) => `${rate} messages`,
  bytes: bytesText,
  cpu: (rate: number) => `${rate} ms of processor`,
} as const;
const ITEMS: { readonly [item in BudgetItem]: string } = {
  turns: "turns",
  messages: "messages",
  bytes: "bytes",
  cpu: "processor time",
  memory: "memory",
};

export function budgetLines({ used, allowed, slowed, over }: BudgetInspection): readonly Line[] {
  const { turns, messages, bytes, cpu, memoryBytes } = used;
  const parts = [
    `${turns} turns, ${messages} messages, ${bytesText(bytes)} in and out`,
    `${Math.round(cpu)} ms of processor; ${bytesText(memoryBytes)} of memory now`,
  ];
  const lines: Line[] = [["used", parts.join(", ")]];
  if (allowed === null) return lines;
  lines.push(["budget", allowedText(allowed)]);
  if (slowed !== null) lines.push(["slowed", slowedText(slowed, allowed.patienceMs)]);
  if (over !== null) lines.push(overLine(over));
  return lines;
}

function allowedText({ rates, memoryBytes, patienceMs, resumeAfterMs }: Budget): string {
  const items = Object.entries(RATES).flatMap(([item, text]) => {
    const rate = rates[item as keyof typeof RATES];
    return rate === undefined ? [] : [`${text(rate)} a second`];
  });
  if (memoryBytes !== undefined) items.push(`${bytesText(memoryBytes)} of memory`);
  if (items.length === 0) return "no limit";
  const until = resumeAfterMs === undefined ? "until a person resumes it" : `for ${duration(resumeAfterMs)}`;
  return `${items.join(", ")}; suspended ${until} once slowed for ${duration(patienceMs)}`;
}

function slowedText({ since, by }: { readonly since: number; readonly by: BudgetItem }, ms: number): string {
  return `by its ${ITEMS[by]} since ${moment(since)}; suspended at ${moment(since + ms)} if it goes on wanting more`;
}

function overLine({ by, since, suspendedAt }: OverBudget): Line {
  return ["over", `its ${ITEMS[by]}; slowed since ${moment(since)}, suspended at ${moment(suspendedAt)}`];
}

/** When a suspended capsule goes on, and how to have it at once; nothing for one that a person suspended. */
export function resumptionLines(id: string, resumesAt: number | null, isOver: boolean): readonly Line[] {
  if (resumesAt === null && !isOver) return [];
  const by = isOver ? "policy" : "itself";
  const when = resumesAt === null ? `not by ${by}` : `by ${by} at ${moment(resumesAt)}`;
  return [["resumed", `${when}; at once: vnes capsule resume ${id}`]];
}
