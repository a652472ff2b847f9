/** What the kernel's side sends to the host with `open`: text of JSON, bytes in base64. */
import type { SandboxSpec } from "@vnes/kernel";
import type { Given } from "./adapter/guest.ts";

export interface OpenText {
  readonly script: string;
  /** Base64. */
  readonly module: string;
  readonly files: readonly (readonly [path: string, base64: string])[];
  readonly memory?: Given["memory"];
}

const IMPL = "impl/";
/** They lie in the isolate beside the module. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

/** The capsule's files below `impl/`, as its module sees them: all but the module itself. Undefined when they are too many. */
export function filesOf({ image, entry }: SandboxSpec): OpenText["files"] | undefined {
  const files = image.files.filter(({ path }) => path.startsWith(IMPL) && path !== entry);
  if (files.reduce((sum, { bytes }) => sum + bytes.length, 0) > MAX_FILE_BYTES) return undefined;
  return files.map(({ path, bytes }) => [path.slice(IMPL.length), base64Of(bytes)]);
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** In a buffer of its own. */
export function bufferOf(base64: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(base64, "base64")).buffer;
}
