/** What an instance may use, from its manifest and the policy. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Manifest, Policy } from "@vnes/schemas";
import { limitsOf } from "../../src/runtime/boot/limits.ts";

const MIB = 1024 * 1024;

function limits(
  asked: number | undefined,
  allowed: number,
): { readonly memory: number; readonly cache: number } {
  const manifest = { runtime: asked === undefined ? {} : { memory_limit_mb: asked } } as unknown as Manifest;
  const policy = { limits: { system: { memory_mb: allowed, turn_ms: 1_000 } } } as unknown as Policy;
  const { memoryMb, cacheBytes } = limitsOf(manifest, "system", policy);
  return { memory: memoryMb, cache: cacheBytes / MIB };
}

test("a capsule caches keys in a quarter of the memory it is given, whichever of manifest and policy says less", () => {
  assert.deepEqual(limits(undefined, 128), { memory: 32, cache: 8 });
  assert.deepEqual(limits(64, 128), { memory: 64, cache: 16 });
  assert.deepEqual(limits(64, 16), { memory: 16, cache: 4 });
  assert.deepEqual(limits(1, 128), { memory: 8, cache: 2 });
});
