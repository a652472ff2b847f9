/** What went into the turns of a range and what came out, each as one hash. */
import type { Sha256 } from "@vnes/schemas";
import { hex } from "../ledger/chain.ts";
import type { LedgerRecord } from "../ledger/record.ts";
import type { Digest } from "../ports/digest.ts";
import { outputText } from "../replay/output.ts";

export interface TurnHashes {
  readonly input: Sha256;
  readonly output: Sha256;
}

/**
 * sha256 over a line `<seq> <sha256>` for each turn, LF behind each: over the JSON of the record's `input`, and of
 * `{"outcome", "effects"}`, both as ECMAScript's JSON.stringify writes the parsed record.
 */
export function turnHashes(records: readonly LedgerRecord[], digest: Digest): TurnHashes {
  const inputs: string[] = [];
  const outputs: string[] = [];
  for (const record of records) {
    if (record.kind !== "turn") continue;
    inputs.push(line(record.seq, JSON.stringify(record.input), digest));
    outputs.push(line(record.seq, outputText(record), digest));
  }
  return { input: sha256(inputs.join(""), digest), output: sha256(outputs.join(""), digest) };
}

const encoder = new TextEncoder();

function line(seq: number, text: string, digest: Digest): string {
  return `${seq} ${hex(digest.sha256(encoder.encode(text)))}\n`;
}

export function sha256(text: string, digest: Digest): Sha256 {
  return `sha256:${hex(digest.sha256(encoder.encode(text)))}`;
}
