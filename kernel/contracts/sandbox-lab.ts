/** Specs and turns for tests of sandboxes, whatever the language. A driver's own tests say what is in the image. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { CapsuleImage, SandboxLimits, SandboxSpec } from "@vnes/kernel";
import type { Json, TurnRequest, TurnResult } from "@vnes/schemas";

export const LIMITS: SandboxLimits = {
  memoryMb: 32,
  turnMs: 200,
  cacheBytes: 1_000_000,
  effectBytes: 65_536,
};
/** Of every turn, in milliseconds since 1970; no whole second, so that one who rounds is seen. */
export const AT = 1_000_000_000_123;

export interface ImageFiles {
  readonly [path: string]: string | Uint8Array;
}

export interface SpecOptions {
  readonly group?: string;
  readonly instance?: string;
  readonly limits?: Partial<SandboxLimits>;
}

export function imageOf(files: ImageFiles): CapsuleImage {
  const listed = Object.entries(files).map(([path, content]) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return { path, bytes, executable: false, sha256: hashOf(bytes) };
  });
  const hash = hashOf(
    new TextEncoder().encode(JSON.stringify(listed.map((file) => [file.path, file.sha256]))),
  );
  return { hash, files: listed };
}

export function specOf(
  program: { readonly language: SandboxSpec["language"]; readonly entry: string; readonly files: ImageFiles },
  { group = "test", instance = "test.capsule/0", limits = {} }: SpecOptions = {},
): SandboxSpec {
  const { language, entry, files } = program;
  return {
    instance,
    image: imageOf(files),
    language,
    entry,
    zone: "system",
    group,
    limits: { ...LIMITS, ...limits },
  };
}

let turns = 0;

/** A call of `t.<method>`. All up to the method is as long in each, for modules that look at its bytes. */
export function callOf(method: string, input: Json = null, more: Partial<TurnRequest> = {}): TurnRequest {
  turns += 1;
  const delivery = {
    kind: "call",
    callId: `c${String(turns % 10_000).padStart(4, "0")}`,
    capability: "t",
    method,
    input,
    caller: "x",
    deadlineAt: 0,
  } as const;
  return { turn: turns, at: AT, seed: "0123456789abcdef", delivery, ...more };
}

/** What a call was answered. */
export function valueOf(result: TurnResult | undefined): unknown {
  assert.equal(result?.kind, "done", JSON.stringify(result));
  const effects = result?.kind === "done" ? result.effects : [];
  const answer = effects.find((effect) => effect.do === "answer")?.answer;
  return answer?.ok === true ? answer.value : answer;
}

/** Of each its code, or its kind where it did not fail. */
export function told(results: readonly TurnResult[]): string[] {
  return results.map((result) => (result.kind === "failed" ? result.code : result.kind));
}

function hashOf(bytes: Uint8Array): `sha256:${string}` {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
