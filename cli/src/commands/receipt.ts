/** `vnes receipt export|verify`: what a capsule did in one signed file, and the check of such a file without any node. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ReceiptVerdict, Refusal } from "@vnes/kernel";
import { type ExecutionReceipt, type JsonObject, shellWord, type TrustDocument } from "@vnes/schemas";
import type { Argv } from "yargs";
import { MAX_RESPONSE_BYTES } from "../control/bounds.ts";
import type { ControlClient } from "../control/client.ts";
import { cliErrors } from "../errors.ts";
import { readNamedFile, unusableReason } from "../named-file.ts";
import { fields, shortHash } from "../output/text.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

export function addReceiptExport(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "export <capsule>",
    "Write what a capsule did into one signed file that others can check",
    (args) =>
      args
        .positional("capsule", { type: "string", demandOption: true, describe: "Such as vnes.vpn.session" })
        .option("shard", { type: "number", default: 0, requiresArg: true, describe: "Which shard of it" })
        .option("from", { type: "number", requiresArg: true, describe: "First record; default the oldest" })
        .option("to", { type: "number", requiresArg: true, describe: "Last record; default the newest" })
        .option("replayable", {
          type: "boolean",
          default: false,
          describe: "With everything to run it again: vnes replay --file",
        })
        .option("out", {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "The file to write",
        }),
    async (args) => {
      const { capsule, shard, from, to, replayable } = args;
      const out = resolve(args.out);
      const params: JsonObject = {
        capsule,
        shard,
        replayable,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
      const text = await withNode(shell, args, (client) => exportTo(client, out, params));
      const receipt = JSON.parse(text) as ExecutionReceipt;
      const summary = summaryOf(receipt);
      // Without this node's flags: it is for another machine.
      const verify = `others check it with: vnes receipt verify ${shellWord(args.out)} --key ${receipt.public_key}`;
      const said = `${receiptText(out, receipt)}\n${verify}`;
      shell.output.data("vnes.receipt.export.v1", { file: out, ...summary }, said);
    },
  );
}

/** Has the node make the file and writes it; the file's text. */
export async function exportTo(client: ControlClient, out: string, params: JsonObject): Promise<string> {
  const { text } = (await client.request("receipt.export", params)) as { readonly text: string };
  try {
    await writeFile(out, text, { flag: "wx" });
  } catch (cause) {
    const { code = "unknown" } = cause as NodeJS.ErrnoException;
    throw code === "EEXIST"
      ? cliErrors.create("EXECUTION_RECEIPT_FILE_EXISTS", { file: out }, cause)
      : cliErrors.create("EXECUTION_RECEIPT_FILE_UNUSABLE", { file: out, reason: code }, cause);
  }
  return text;
}

export function addReceiptVerify(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "verify <file>",
    "Check an execution receipt; needs no node",
    (args) =>
      args
        .positional("file", { type: "string", demandOption: true, describe: "What receipt export wrote" })
        .option("key", {
          type: "string",
          requiresArg: true,
          describe: "The node's public key in base64, as its owner told it",
        })
        .option("trust", {
          type: "string",
          requiresArg: true,
          describe: "Trust document that has to vouch for the builds",
        }),
    async (args) => {
      const file = resolve(args.file);
      const verdict = await checkReceipt(file, args);
      if (verdict.ok) {
        const { receipt, turns } = verdict;
        const { isReplayable } = await import("@vnes/kernel");
        const known = { key: args.key !== undefined, builds: args.trust !== undefined };
        const data = {
          file,
          verified: true,
          turns,
          replayable: isReplayable(receipt),
          known,
          ...summaryOf(receipt),
        };
        const notes = [
          isReplayable(receipt)
            ? [shell.output.next(`it can be run again: vnes replay --file ${shellWord(file)}`)]
            : [],
          known.key ? [] : ["whose key that is was not checked: --key PUB"],
          known.builds ? [] : ["who built the images was not checked: --trust FILE"],
        ].flat();
        const text = [receiptText(file, receipt), shell.output.paint("green", "verified"), ...notes];
        shell.output.data("vnes.receipt.verify.v1", data, text.join("\n"));
        return;
      }
      const { refusals } = verdict;
      shell.output.data(
        "vnes.receipt.verify.v1",
        { file, verified: false, refusals },
        refusalText(file, refusals),
      );
      throw await refusedReceipt(file, refusals);
    },
  );
}

/** With nothing but the file, and whatever else somebody knows of it. */
export async function checkReceipt(
  file: string,
  known: { readonly key?: string | undefined; readonly trust?: string | undefined },
): Promise<ReceiptVerdict> {
  const [{ verifyExecutionReceipt }, { nodeDigest, nodeVerifier }] = await Promise.all([
    import("@vnes/kernel"),
    import("@vnes/registry"),
  ]);
  return verifyExecutionReceipt(await read(file, "EXECUTION_RECEIPT_FILE_MISSING"), {
    digest: nodeDigest,
    verifier: nodeVerifier,
    ...(known.key === undefined ? {} : { key: known.key }),
    ...(known.trust === undefined ? {} : { trust: await readTrust(known.trust) }),
  });
}

/** The first refusal, which is the nearest to what was changed. */
export async function refusedReceipt(file: string, refusals: readonly Refusal[]): Promise<Error> {
  const { executionReceiptErrors } = await import("@vnes/kernel");
  const [{ code, pointer, problem }] = refusals as readonly [Refusal];
  return executionReceiptErrors.create(code, { file, pointer, problem });
}

/** Whatever an export can make: it comes through the control socket in one answer. */
const MAX_FILE_BYTES = MAX_RESPONSE_BYTES;

type MissingCode = "EXECUTION_RECEIPT_FILE_MISSING" | "RECEIPT_TRUST_MISSING";

async function read(file: string, missing: MissingCode): Promise<Uint8Array> {
  try {
    return await readNamedFile(file, MAX_FILE_BYTES);
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === "ENOENT"
      ? cliErrors.create(missing, { file }, cause)
      : cliErrors.create("EXECUTION_RECEIPT_FILE_UNUSABLE", { file, reason: unusableReason(cause) }, cause);
  }
}

async function readTrust(path: string): Promise<TrustDocument> {
  const { parseTrust } = await import("@vnes/schemas");
  const file = resolve(path);
  const parsed = parseTrust(await read(file, "RECEIPT_TRUST_MISSING"));
  if (parsed.ok) return parsed.value;
  const { pointer, message } = parsed.problems[0] ?? { pointer: "/", message: "is not valid" };
  throw cliErrors.create("EXECUTION_RECEIPT_FILE_UNUSABLE", { file, reason: `${pointer} ${message}` });
}

export function summaryOf(receipt: ExecutionReceipt): object {
  const { node, shard, range, capsule, determinism_tier: tier, timestamp, head } = receipt;
  const { input_hash: inputHash, output_hash: outputHash, public_key: publicKey, builds } = receipt;
  return {
    ...{ node, shard, range, capsule, tier, timestamp, inputHash, outputHash, publicKey },
    keyId: head.key_id,
    builds: builds.map(({ image, receipt_hash: receiptHash }) => ({ image, receiptHash })),
  };
}

export function receiptText(file: string, receipt: ExecutionReceipt): string {
  const { node, shard, range, capsule, determinism_tier: tier, timestamp, head, builds } = receipt;
  return fields([
    ["file", file],
    ["capsule", `${capsule.id} ${capsule.version}, ${tier}`],
    ["records", `${range.from} to ${range.to} of ${shard}`],
    [
      "builds",
      builds.map((one) => `${shortHash(one.image)} (receipt ${shortHash(one.receipt_hash)})`).join(", ") ||
        "none",
    ],
    ["input", receipt.input_hash],
    ["output", receipt.output_hash],
    ["node", `${node}, ${timestamp}`],
    ["key", `${head.key_id}  ${receipt.public_key}`],
  ]);
}

/** A file that is no receipt is refused for every field it lacks; the first ones say as much as all. */
const REFUSALS_SHOWN = 8;

function refusalText(file: string, refusals: readonly Refusal[]): string {
  const left = refusals.length - REFUSALS_SHOWN;
  return [
    `${file} is refused`,
    ...refusals
      .slice(0, REFUSALS_SHOWN)
      .map(({ code, pointer, problem }) => `  ${code} at ${pointer}: ${problem}`),
    ...(left > 0 ? [`  and ${left} more, all of them with -o json`] : []),
  ].join("\n");
}
