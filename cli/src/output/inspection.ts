/** One capsule of a running node for people: what it is, what it may, what it did. All there is comes with `-o json`. */
import type { CapsuleStatus, ConfinementDecision, Reason } from "@vnes/kernel";
import { type Json, type Manifest, type Receipt, subscriptionsOf } from "@vnes/schemas";
import { confinementText } from "./confinement.ts";
import type { Output } from "./output.ts";
import { reasonsText } from "./problem.ts";
import { bytesText, duration, fields, shortHash, table } from "./text.ts";

export interface Inspection extends CapsuleStatus {
  readonly manifest: Manifest;
  readonly receipt: Receipt | null;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  readonly requires: readonly { readonly requirement: string; readonly provider: string | null }[];
  readonly limits: {
    readonly memoryMb: number;
    readonly turnMs: number;
    readonly cacheBytes: number;
    readonly effectBytes: number;
  };
  readonly budget: {
    /** Since it came up. */
    readonly used: { readonly [of: string]: number };
    readonly allowed: {
      /** A second; what is left out is not limited. */
      readonly rates: { readonly [of: string]: number };
      readonly memoryBytes?: number;
      readonly patienceMs: number;
      readonly resumeAfterMs?: number;
    } | null;
    readonly slowed: Json;
  } | null;
  readonly confinement: ConfinementDecision;
  /** What it is down for. */
  readonly problems: readonly Reason[];
  readonly waiting: { readonly [shard: string]: number };
  readonly meters: { readonly [shard: string]: ShardMeters | null };
}

interface ShardMeters {
  readonly cpuMs?: number;
  readonly bytes?: number;
  readonly memoryBytes?: number;
  readonly host?: { readonly group: string; readonly pid: number };
}

export function inspectionText(output: Output, found: Inspection): string {
  return [
    fields([...identity(found), ...provenance(found), ...reach(found), ...use(found)]),
    ...(found.problems.length === 0 ? [] : [reasonsText(output, found.problems)]),
    ...shardsText(found),
    confinementText(found.id, found.confinement),
    output.next(`manifest, receipt, hashes of files, all meters: vnes capsule inspect ${found.id} -o json`),
  ].join("\n\n");
}

type Line = readonly [name: string, value: string | number];

function identity({ id, version, state, reason, type, manifest }: Inspection): readonly Line[] {
  const { description, capabilities, governance, interfaces } = manifest;
  return [
    ["capsule", `${id} ${version}`],
    ["state", `${state}, ${reason}`],
    ["what", description],
    ["kind", [type, capabilities.determinism_tier, capabilities.latency_class].filter(Boolean).join(", ")],
    [
      "entry",
      Object.entries(interfaces ?? {})
        .map(
          ([language, entry]) => `${language} ${typeof entry === "string" ? entry : JSON.stringify(entry)}`,
        )
        .join(", "),
    ],
    ...(governance.owner === undefined ? [] : [["owner", governance.owner] as const]),
  ];
}

function provenance({ imageHash, files, receipt, origin }: Inspection): readonly Line[] {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const signers = (receipt?.signatures ?? []).map(({ role, key_id: key }) => `${role} ${key}`);
  const tools = Object.entries(receipt?.toolchain ?? {}).flatMap(([tool, its]) =>
    typeof its === "string" ? [`${tool} ${its}`] : [],
  );
  return [
    ["image", `${shortHash(imageHash)}, ${files.length} files, ${bytesText(size)}`],
    ...(origin.endsWith(imageHash) ? [] : [["from", origin] as const]),
    ["built", receipt === null ? "no receipt" : [receipt.timestamp, ...tools].join(", ")],
    ["signed", signers.length === 0 ? "by nobody" : signers.join(", ")],
  ];
}

function reach({ manifest, requires }: Inspection): readonly Line[] {
  const { capabilities, bus, state } = manifest;
  const bound = requires.map(({ requirement, provider }) => `${requirement} of ${provider ?? "nobody"}`);
  const lists: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["provides", capabilities.provides],
    ["requires", bound],
    ["publishes", bus?.publishes],
    ["subscribes", subscriptionsOf(manifest).map(({ topic }) => topic)],
    ["owns", state?.owns],
    ["shares", state?.shares],
    ["reads", state?.reads?.map(({ capsule, prefix }) => `${prefix}* of ${capsule}`)],
  ];
  return lists.flatMap(([name, items]) =>
    items === undefined || items.length === 0 ? [] : [[name, items.join(", ")] as const],
  );
}

function use({
  turns,
  failedTurns,
  deadLetters,
  restarts,
  limits,
  budget,
  meters,
}: Inspection): readonly Line[] {
  const cpu = Object.values(meters).reduce((sum, meter) => sum + (meter?.cpuMs ?? 0), 0);
  const { memoryMb, turnMs, effectBytes } = limits;
  const lines: Line[] = [
    [
      "turns",
      `${turns}, ${failedTurns} failed, ${deadLetters} dead letters, ${restarts} restarts, ${cpu} ms of processor`,
    ],
    ["limits", `${memoryMb} MiB, ${turnMs} ms a turn, ${bytesText(effectBytes)} of effects a turn`],
  ];
  if (budget === null || budget.allowed === null) return lines;
  lines.push(["budget", budgetText(budget.allowed)]);
  if (budget.slowed !== null) lines.push(["slowed", JSON.stringify(budget.slowed)]);
  return lines;
}

type Allowed = NonNullable<NonNullable<Inspection["budget"]>["allowed"]>;

function budgetText({ rates, memoryBytes, patienceMs, resumeAfterMs }: Allowed): string {
  const parts = Object.entries(rates).map(([of, rate]) => {
    if (of === "bytes") return `${bytesText(rate)}/s`;
    return of === "cpu" ? `${rate} ms of processor/s` : `${rate} ${of}/s`;
  });
  if (memoryBytes !== undefined) parts.push(bytesText(memoryBytes));
  if (parts.length === 0) return "unlimited";
  const resumed = resumeAfterMs === undefined ? "" : ` and resumed after ${duration(resumeAfterMs)}`;
  return `${parts.join(", ")}; slowed beyond it, suspended after ${duration(patienceMs)}${resumed}`;
}

function shardsText({ shards, waiting, meters }: Inspection): readonly string[] {
  const rows = Object.entries(shards);
  if (rows.length === 0) return [];
  return [
    table(rows, [
      { title: "shard", value: ([name]) => name },
      { title: "records", value: ([, seq]) => seq, align: "right" },
      { title: "waiting", value: ([name]) => waiting[name] ?? 0, align: "right" },
      {
        title: "memory",
        value: ([name]) =>
          meters[name]?.memoryBytes === undefined ? "-" : bytesText(meters[name].memoryBytes),
        align: "right",
      },
      {
        title: "host",
        value: ([name]) => {
          const host = meters[name]?.host;
          return host === undefined ? "-" : `${host.group}, pid ${host.pid}`;
        },
      },
    ]),
  ];
}
