/** Puts an execution receipt together out of what was read from a ledger; everything but the signature. */
import {
  EXECUTION_RECEIPT_VERSION,
  type ExecutionReceipt,
  type JsonObject,
  parseReceipt,
  type Receipt,
  type ReceiptBuild,
  type ReceiptSnapshot,
  type Sha256,
  type SignedHead,
} from "@vnes/schemas";
import { type CapsuleImage, imageFile } from "../admission/image.ts";
import { hex } from "../ledger/chain.ts";
import type { LedgerRecord } from "../ledger/record.ts";
import type { Digest } from "../ports/digest.ts";
import type { StoredRecord } from "../ports/ledger-store.ts";
import { toBase64 } from "./base64.ts";
import { turnHashes } from "./hashes.ts";

export interface ReceiptMaterial {
  readonly node: string;
  readonly shard: string;
  /** Node time, RFC 3339. */
  readonly timestamp: string;
  /** Image that ran before the range. */
  readonly image: string | null;
  /** Chain hash of the record before the range. */
  readonly anchor: Uint8Array;
  readonly records: readonly { readonly stored: StoredRecord; readonly record: LedgerRecord }[];
  /** Each with the chain hash of the record before it. */
  readonly events: readonly { readonly stored: StoredRecord; readonly before: Uint8Array }[];
  /** Those that ran, in order of first use. */
  readonly images: readonly CapsuleImage[];
  /** The images whole, to be run. */
  readonly replayable: boolean;
  readonly snapshot?: ReceiptSnapshot;
  readonly tool: string;
  readonly toolchain: JsonObject;
  readonly environment: JsonObject;
  readonly head: SignedHead;
  readonly publicKey: string;
}

export function composeReceipt(
  material: ReceiptMaterial,
  digest: Digest,
): Omit<ExecutionReceipt, "signature"> {
  const { records, images, head } = material;
  const hashes = turnHashes(
    records.map(({ record }) => record),
    digest,
  );
  const last = buildReceiptOf(images.at(-1));
  const both = { input_hash: hashes.input, output_hash: hashes.output };
  return {
    version: EXECUTION_RECEIPT_VERSION,
    timestamp: material.timestamp,
    kind: "execution",
    node: material.node,
    capsule: last?.capsule ?? {
      id: material.shard.slice(0, material.shard.lastIndexOf("/")),
      version: "0.0.0",
    },
    determinism_tier: last?.determinism_tier ?? "NX_experimental",
    shard: material.shard,
    range: { from: records[0]?.stored.seq ?? 1, to: head.seq },
    image: material.image as Sha256 | null,
    anchor: hex(material.anchor),
    ...both,
    transformations: [{ step: "turns", tool: material.tool, ...both }],
    records: records.map(({ stored }) => textOf(stored)),
    events: material.events.map(({ stored, before }) => {
      return { shard: stored.shard, before: hex(before), ...textOf(stored) };
    }),
    builds: images.map((image) => buildOf(image, material.replayable)),
    ...(material.snapshot === undefined ? {} : { snapshot: material.snapshot }),
    toolchain: material.toolchain,
    environment: material.environment,
    head,
    public_key: material.publicKey,
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function textOf({ seq, hash, bytes }: StoredRecord): { seq: number; hash: string; bytes: string } {
  return { seq, hash: hex(hash), bytes: decoder.decode(bytes) };
}

function buildOf(image: CapsuleImage, isWhole: boolean): ReceiptBuild {
  const receipt = imageFile(image, "receipt.stunir.json");
  const manifest = imageFile(image, "manifest.json");
  return {
    image: image.hash,
    files: image.files.map(({ path, executable, bytes, sha256 }) => ({
      path,
      executable,
      size: bytes.length,
      sha256,
      ...(isWhole ? { bytes: toBase64(bytes) } : {}),
    })),
    manifest: manifest === undefined ? "" : decoder.decode(manifest.bytes),
    receipt: receipt === undefined ? "" : decoder.decode(receipt.bytes),
    receipt_hash: receipt?.sha256 ?? image.hash,
  };
}

function buildReceiptOf(image: CapsuleImage | undefined): Receipt | undefined {
  const file = image === undefined ? undefined : imageFile(image, "receipt.stunir.json");
  const parsed = file === undefined ? undefined : parseReceipt(file.bytes);
  return parsed?.ok === true ? parsed.value : undefined;
}
