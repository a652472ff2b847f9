/** `vnes ledger verify`: reads a ledger file that no node uses, and says of every shard whether it is what was written. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Damage, ShardVerdict } from "@vnes/kernel";
import type { Argv } from "yargs";
import { cliErrors } from "../errors.ts";
import { fields, table } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Shell } from "../shell.ts";

export function addLedgerVerify(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "verify [file]",
    "Check every record, hash and reference of a ledger file, offline",
    (args) =>
      args
        .positional("file", { type: "string", describe: "Default: this node's own ledger.sqlite" })
        .option("shard", { type: "string", requiresArg: true, describe: "Only this shard" }),
    async (args) => {
      const file = args.file === undefined ? await ownFile(shell, args) : namedFile(args.file);
      assertThere(file);
      const [{ openClosedLedger }, { verifyLedger }, { nodeDigest }] = await Promise.all([
        import("@vnes/driver-sqlite"),
        import("@vnes/kernel"),
        import("@vnes/registry"),
      ]);
      await using ledger = await openClosedLedger(file);
      const { store, problems } = ledger;
      const names = await store.shards();
      if (args.shard !== undefined && !names.includes(args.shard))
        throw cliErrors.create("LEDGER_SHARD_UNKNOWN", { file, shard: args.shard });
      const shards = await verifyLedger(store, nodeDigest, {
        ...(args.shard === undefined ? {} : { shards: [args.shard] }),
        isOnlyStore: true,
        onShard: ({ shard, last }) => {
          if (shell.prettyLogs) shell.output.say(`${shard}: ${last} records read`);
        },
      });
      const damage = shards.flatMap((one) => one.damage ?? []);
      shell.output.data(
        "vnes.ledger.verify.v1",
        { file, problems, shards, damage },
        verdictText(shell, file, shards, problems),
      );
      const [first] = damage;
      if (first !== undefined) throw broken(file, first);
      const [problem] = problems;
      if (problem !== undefined) throw cliErrors.create("LEDGER_DAMAGED_FILE", { file, problem });
    },
  );
}

function namedFile(file: string): string {
  // Not repeated: there may be a password in it.
  if (/^(?:nats|tls):\/\//.test(file)) throw cliErrors.create("LEDGER_NOT_A_FILE", { what: "that ledger" });
  return resolve(file);
}

/** A node that keeps its ledger on NATS may have had one of its own before: that one is not what is asked about. */
async function ownFile(shell: Shell, flags: GlobalFlags): Promise<string> {
  const { config, node, paths } = await findPlace(shell, flags);
  const what = `the ledger of node ${node}`;
  if (config.bus !== undefined) throw cliErrors.create("LEDGER_NOT_A_FILE", { what });
  if (!existsSync(paths.instance)) return paths.ledger;
  if (!existsSync(paths.ledger)) throw cliErrors.create("LEDGER_NOT_A_FILE", { what });
  shell.output.say(`node ${node} has had a ledger on NATS too (--bus), which is not in this file`);
  return paths.ledger;
}

/** One behind a directory that may not be looked into is not missing: opening it says what it is. */
function assertThere(file: string): void {
  try {
    statSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      throw cliErrors.create("LEDGER_FILE_MISSING", { file }, cause);
  }
}

function broken(file: string, { shard, seq, code, message }: Damage): Error {
  return cliErrors.create("LEDGER_DAMAGED", { file, shard, seq, code, problem: message });
}

function verdictText(
  { output }: Shell,
  file: string,
  shards: readonly ShardVerdict[],
  problems: readonly string[],
): string {
  const records = shards.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  const references = shards.reduce((sum, one) => sum + one.references, 0);
  const elsewhere = shards.reduce((sum, one) => sum + one.elsewhere, 0);
  const rows = table(shards, [
    { title: "shard", value: ({ shard }) => shard },
    { title: "records", value: ({ first, last }) => `${first} to ${last}` },
    { title: "references", value: (one) => one.references, align: "right" },
    { title: "head", value: ({ head }) => head.slice(0, 16) },
    {
      title: "verdict",
      value: ({ damage }) => (damage === null ? "whole" : `record ${damage.seq}: ${damage.code}`),
      paint: ({ damage }, text) => output.paint(damage === null ? "green" : "red", text),
    },
  ]);
  const summary = fields([
    ["file", file],
    ["records", `${records} in ${shards.length} shards`],
    ["references", `${references}, ${elsewhere} of them to records that are not in this file`],
    ["database", problems.length === 0 ? "whole" : problems.join("; ")],
  ]);
  return shards.length === 0 ? summary : `${summary}\n\n${rows}`;
}
