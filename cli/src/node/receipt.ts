/** A receipt as the control socket asks for it, with what runs this node said in it. */
import { readFileSync } from "node:fs";
import type { Node, ReceiptRequest } from "@vnes/kernel";
import type { Json, JsonObject } from "@vnes/schemas";

/** Params were checked by the schema. The text is the file, byte for byte. */
export async function receiptFor(node: Node, params: JsonObject): Promise<Json> {
  const { capsule, shard, from, to } = params as {
    readonly capsule: string;
    readonly shard?: number;
    readonly from?: number;
    readonly to?: number;
  };
  const request: ReceiptRequest = {
    ...(shard === undefined ? {} : { shard }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    tool: `vnes ${version()}`,
    toolchain: { node: process.version, v8: process.versions.v8, sandbox: "isolated-vm" },
    environment: { platform: process.platform, arch: process.arch },
  };
  return { text: new TextDecoder().decode(await node.exportReceipt(capsule, request)) };
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
