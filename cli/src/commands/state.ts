/** `vnes state`: the keys of a capsule, as they are, as they were, and how they came to be. */
import type { Json, JsonObject, StateRead } from "@vnes/schemas";
import type { KeyChange, StateAt, StateDifference, StateHistoryPage } from "@vnes/kernel";
import type { Argv } from "yargs";
import { cliErrors } from "../errors.ts";
import { fields, jsonText, keyWord, table } from "../output/text.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";
import { parseMoment } from "../moment.ts";
import { brief, differencesText } from "../output/values.ts";

const DEFAULT_LIMIT = 100;

interface ShardFlags {
  readonly capsule: string;
  readonly shard: number | undefined;
}

/** The part of the params that says whose state it is. */
export function shardParams({ capsule, shard }: ShardFlags): JsonObject {
  return shard === undefined ? { capsule } : { capsule, shard };
}

export function ofShard<T>(args: Argv<T>): Argv<T & ShardFlags> {
  return args
    .positional("capsule", { type: "string", demandOption: true, describe: "Such as vnes.vpn.session" })
    .option("shard", {
      type: "number",
      requiresArg: true,
      describe: "Which shard of it, from 0, if it has several",
    });
}

export function addStateGet(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "get <capsule> <key>",
    "Show one key, with its version",
    (args) => ofShard(args).positional("key", { type: "string", demandOption: true }),
    async (args) => {
      const { capsule, key } = args;
      const params = { ...shardParams(args), keys: [key] };
      const read = (await withNode(shell, args, (client) =>
        client.request("state.read", params),
      )) as unknown as StateRead;
      const found = oneKey(capsule, key, read);
      if (!shell.output.json) shell.output.say(`version ${found.version} of ${found.shard}`);
      shell.output.data("vnes.state.get.v1", found, jsonText(found.value));
    },
  );
}

export function addStateList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list <capsule>",
    "List keys with their values and versions",
    (args) =>
      paged(ofShard(args)).option("prefix", { type: "string", default: "", describe: "Only keys below it" }),
    async (args) => {
      const params = { ...shardParams(args), prefix: args.prefix, ...pageParams(args) };
      const read = (await withNode(shell, args, (client) =>
        client.request("state.read", params),
      )) as unknown as StateRead;
      sayMore(shell, read.next === null ? undefined : `--after ${keyWord(read.next)}`);
      shell.output.data("vnes.state.list.v1", read, keysText(read));
    },
  );
}

export function addStateAt(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "at <capsule> <moment> [key]",
    "Show keys as they were after a record, or at a time",
    (args) =>
      paged(ofShard(args))
        .positional("moment", {
          type: "string",
          demandOption: true,
          describe: "Number of a record, or a time such as 2026-05-01T12:00:00Z",
        })
        .positional("key", { type: "string", describe: "Only this one" })
        .option("prefix", { type: "string", default: "", describe: "Only keys below it" }),
    async (args) => {
      const { capsule, key } = args;
      const what = key === undefined ? { prefix: args.prefix } : { keys: [key] };
      const params = { ...shardParams(args), ...parseMoment(args.moment), ...what, ...pageParams(args) };
      const state = (await withNode(shell, args, (client) =>
        client.request("state.at", params),
      )) as unknown as StateAt;
      if (key !== undefined) oneKey(capsule, key, state);
      sayMore(shell, state.next === null ? undefined : `--after ${keyWord(state.next)}`);
      shell.output.data("vnes.state.at.v1", state, key === undefined ? keysText(state) : oneKeyText(state));
    },
  );
}

export function addStateHistory(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "history <capsule> <key>",
    "Show every write and deletion of a key that is kept, newest first",
    (args) =>
      ofShard(args)
        .positional("key", { type: "string", demandOption: true })
        .option("limit", {
          type: "number",
          default: DEFAULT_LIMIT,
          requiresArg: true,
          describe: "At most so many",
        })
        .option("before", { type: "number", requiresArg: true, describe: "Only those before this record" }),
    async (args) => {
      const { key, limit, before } = args;
      const params = { ...shardParams(args), key, limit, ...(before === undefined ? {} : { before }) };
      const page = (await withNode(shell, args, (client) =>
        client.request("state.history", params),
      )) as unknown as StateHistoryPage;
      sayMore(shell, page.next === null ? undefined : `--before ${keyWord(page.next)}`);
      if (page.since > 1) shell.output.say(`what was before record ${page.since} is not kept any more`);
      const text = table<KeyChange>(page.changes, [
        { title: "record", value: ({ seq }) => seq, align: "right" },
        { title: "time", value: ({ at }) => new Date(at).toISOString() },
        { title: "change", value: ({ change }) => change },
        { title: "by", value: ({ by }) => by },
        { title: "value", value: ({ change, value }) => (change === "written" ? brief(value) : "-") },
      ]);
      shell.output.data(
        "vnes.state.history.v1",
        page,
        page.changes.length === 0 ? "no change is kept" : text,
      );
    },
  );
}

export function addStateDiff(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "diff <capsule> <from> [to]",
    "Show which keys differ between two records",
    (args) =>
      paged(ofShard(args))
        .positional("from", {
          type: "number",
          demandOption: true,
          describe: "Number of a record; 0: before the first",
        })
        .positional("to", { type: "number", describe: "Number of a record; default the newest" }),
    async (args) => {
      const { from, to } = args;
      const params = { ...shardParams(args), from, ...(to === undefined ? {} : { to }), ...pageParams(args) };
      const diff = (await withNode(shell, args, (client) =>
        client.request("state.diff", params),
      )) as unknown as StateDifference;
      sayMore(shell, diff.more === 0 ? undefined : `--after ${keyWord(diff.differences.at(-1)?.key ?? "")}`);
      shell.output.data("vnes.state.diff.v1", diff, differencesText(shell.output, diff.differences));
    },
  );
}

interface PageFlags {
  readonly limit: number;
  readonly after: string | undefined;
}

function paged<T>(args: Argv<T>): Argv<T & PageFlags> {
  return args
    .option("limit", {
      type: "number",
      default: DEFAULT_LIMIT,
      requiresArg: true,
      describe: "Keys in one answer",
    })
    .option("after", { type: "string", requiresArg: true, describe: "Go on behind this key" });
}

function pageParams({ limit, after }: PageFlags): JsonObject {
  return after === undefined ? { limit } : { limit, after };
}

function sayMore({ output }: Shell, flag: string | undefined): void {
  if (flag !== undefined) output.say(`there is more: the same with ${flag}`);
}

interface OneKey {
  readonly shard: string;
  readonly seq: number;
  readonly at: number;
  readonly key: string;
  readonly value: Json;
  readonly version: number;
}

function oneKey(capsule: string, key: string, read: StateRead): OneKey {
  const [found] = read.values;
  const { shard, seq, at } = read;
  if (found === undefined) throw cliErrors.create("STATE_KEY_UNKNOWN", { capsule, key, shard, seq });
  return { shard, seq, at, key, value: found[1], version: found[2] };
}

function keysText({ shard, seq, at, values }: StateRead): string {
  const head = fields([
    ["shard", shard],
    // Nothing had happened yet, and so there is no time at which it had.
    ...(seq === 0
      ? ([["record", "none: before the first"]] as const)
      : ([
          ["record", seq],
          ["time", new Date(at).toISOString()],
        ] as const)),
  ]);
  if (values.length === 0) return `${head}\n\nno keys`;
  const rows = table(values, [
    { title: "key", value: ([key]) => key },
    { title: "version", value: ([, , version]) => version, align: "right" },
    { title: "value", value: ([, value]) => brief(value) },
  ]);
  return `${head}\n\n${rows}`;
}

function oneKeyText({ values }: StateRead): string {
  const [found] = values;
  return found === undefined ? "" : jsonText(found[1]);
}
