/** What of an image runs, as executors need it. */
import { imageFile, type SandboxSpec } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { sandboxErrors } from "./errors.ts";

/** The entry's bytes. Throws `SANDBOX_BUNDLE_BROKEN`. */
export function bytesOf(spec: SandboxSpec): Uint8Array {
  const file = imageFile(spec.image, spec.entry);
  if (file === undefined) throw broken(spec, "the image has no such file");
  return file.bytes;
}

/** The same as text. */
export function textOf(spec: SandboxSpec): string {
  const bytes = bytesOf(spec);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw broken(spec, "it is not UTF-8", cause);
  }
}

export function broken({ instance, entry }: SandboxSpec, reason: string, cause?: unknown): VnesError {
  return sandboxErrors.create("SANDBOX_BUNDLE_BROKEN", { instance, entry, reason }, cause);
}
