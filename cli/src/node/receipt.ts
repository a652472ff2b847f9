/** A receipt as the control socket asks for it, with what runs this node said in it. */
import { readFileSync } from "node:fs";
import { executionReceiptErrors, type Node, type ReceiptRequest } from "@vnes/kernel";
import type { ExecutionReceipt, Json, JsonObject } from "@vnes/schemas";
import { MAX_RESPONSE_BYTES } from "../control/bounds.ts";

/** Params were checked by the schema. The text is the file, byte for byte. */
export async function receiptFor(node: Node, params: JsonObject): Promise<Json> {
  const { capsule, shard, from, to, replayable } = params as {
    readonly capsule: string;
    readonly shard?: number;
    readonly from?: number;
    readonly to?: number;
    readonly replayable?: boolean;
  };
  const request: ReceiptRequest = {
    ...(shard === undefined ? {} : { shard }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(replayable === undefined ? {} : { replayable }),
    tool: `vnes ${version()}`,
    toolchain: { node: process.version, v8: process.versions.v8, sandbox: "isolated-vm" },
    environment: { platform: process.platform, arch: process.arch },
  };
  const text = new TextDecoder().decode(await node.exportReceipt(capsule, request));
  // With its escapes, which a text full of quotes has many of; a little is left for the rest of the answer.
  if (Buffer.byteLength(JSON.stringify(text)) > MAX_RESPONSE_BYTES - FRAME_BYTES)
    throw tooLarge(capsule, text);
  return { text };
}

const FRAME_BYTES = 1024;

function tooLarge(capsule: string, text: string): Error {
  const { range } = JSON.parse(text) as ExecutionReceipt;
  const seq = Math.floor((range.from + range.to) / 2);
  const details = { shard: capsule, ...range, limit: MAX_RESPONSE_BYTES, seq };
  return executionReceiptErrors.create("EXECUTION_RECEIPT_TOO_LARGE", details);
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
