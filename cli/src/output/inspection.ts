/** One capsule of a running node for people: what it is, what it may, what it did. All there is comes with `-o json`. */
import type { CapsuleStatus, ConfinementDecision, Reason } from "@vnes/kernel";
import { type Manifest, type Receipt, subscriptionsOf } from "@vnes/schemas";
import type { OlderAnswer } from "../control/older-answer.ts";
import { budgetLines, type BudgetInspection, resumptionLines } from "./budget.ts";
import { confinementText } from "./confinement.ts";
import type { Output } from "./output.ts";
import { reasonsText } from "./problem.ts";
import { bytesText, fields, shortHash, table } from "./text.ts";

/** What could not be delivered, and why: each letter names its event and its subscriber. */
export const DEAD_LETTERS = "vnes topic tail vnes.deadletter.v1";

export interface Inspection extends CapsuleStatus {
  /** When it goes on by itself; null: it is not suspended, or waits for a person. */
  readonly resumesAt: number | null;
  readonly manifest: Manifest;
  readonly receipt: Receipt | null;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  readonly requires: readonly {
    readonly requirement: string;
    readonly provider: string | null;
    /** Of the provider. */
    readonly state: string | null;
  }[];
  readonly limits: {
    readonly memoryMb: number;
    readonly turnMs: number;
    readonly cacheBytes: number;
    readonly effectBytes: number;
  };
  /** Null: a driver, or a capsule that is not up. */
  readonly budget: BudgetInspection | null;
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

export type InspectionAnswer = OlderAnswer<Inspection, "resumesAt" | "budget" | "confinement" | "problems">;

/** What an older program does not say is left out. */
export function inspectionText(output: Output, answer: InspectionAnswer): string {
  const { confinement, ...said } = answer;
  const found: Found = { resumesAt: null, budget: null, problems: [], ...said };
  return [
    fields([...identity(found), ...provenance(found), ...reach(found), ...use(output, found)]),
    ...(found.problems.length === 0 ? [] : [reasonsText(output, found.problems)]),
    ...shardsText(found),
    ...(confinement === undefined ? [] : [confinementText(found.id, confinement)]),
    output.next(`manifest, receipt, hashes of files, all meters: vnes capsule inspect ${found.id} -o json`),
  ].join("\n\n");
}

type Found = Omit<Inspection, "confinement">;
type Line = readonly [name: string, value: string | number];

function identity({ id, version, state, reason, type, manifest, resumesAt, budget }: Found): readonly Line[] {
  const { description, capabilities, governance, interfaces } = manifest;
  return [
    ["capsule", `${id} ${version}`],
    ["state", `${state}, ${reason}`],
    ...resumptionLines(id, resumesAt, budget !== null && budget.over !== null),
    ["what", description],
    ["kind", [type, capabilities.determinism_tier, capabilities.latency_class].filter(Boolean).join(", ")],
    [
      "entry",
      Object.entries(interfaces ?? {})
        .map(([name, entry]) => `${name} ${typeof entry === "string" ? entry : JSON.stringify(entry)}`)
        .join(", "),
    ],
    ...(governance.owner === undefined ? [] : [["owner", governance.owner] as const]),
  ];
}

function provenance({ imageHash, files, receipt, origin }: Found): readonly Line[] {
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

function reach({ manifest, requires }: Found): readonly Line[] {
  const { capabilities, bus, state } = manifest;
  const bound = requires.map(({ requirement, provider, state: its }) => {
    const note = its === null || its === "active" ? "" : ` (${its})`;
    return `${requirement} of ${provider ?? "nobody"}${note}`;
  });
  const lists: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["provides", capabilities.provides],
    ["methods", methodsOf(capabilities.input_schemas)],
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

/** As they are called: `spec/schema.json#/$defs/acme.greeter.greet.input` is of `acme.greeter.greet`. */
function methodsOf(schemas: readonly string[] = []): readonly string[] {
  return schemas.flatMap((schema) => /#\/\$defs\/(.+)\.input$/.exec(schema)?.[1] ?? []);
}

function use(
  output: Output,
  { turns, failedTurns, deadLetters, restarts, limits, budget }: Found,
): readonly Line[] {
  const { memoryMb, turnMs, effectBytes } = limits;
  return [
    ["turns", `${turns}, ${failedTurns} failed, ${deadLetters} dead letters, ${restarts} restarts`],
    ...(deadLetters === 0 ? [] : [["dead letters", output.next(DEAD_LETTERS)] as const]),
    ["limits", `${memoryMb} MiB, ${turnMs} ms a turn, ${bytesText(effectBytes)} of effects a turn`],
    ...(budget === null ? [] : budgetLines(budget)),
  ];
}

function shardsText({ shards, waiting, meters }: Found): readonly string[] {
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
