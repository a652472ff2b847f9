import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { test } from "node:test";
import { RECORD_HASH_BYTES } from "@vnes/kernel";
import { openedIn } from "./opened.ts";

const hash = new Uint8Array(RECORD_HASH_BYTES);

test("a file that is trimmed does not grow, however much goes through it", async () => {
  const { path, store, cleanup } = await openedIn();
  const sizes: number[] = [];
  for (let round = 0; round < 12; round++) {
    const seq = await store.lastSeq("a/0");
    const records = Array.from({ length: 1_000 }, () => ({ bytes: randomBytes(500), hash }));
    await store.append("a/0", seq, records);
    const names = Array.from({ length: 8 }, (_, index) => `${round}/${index}`);
    for (const name of names) await store.putChunk("a/0", name, randomBytes(60_000));
    const last = await store.append("a/0", seq + 1_000, [{ bytes: randomBytes(100), hash, snapshot: true }]);
    const { records: dropped, chunks } = await store.trim("a/0", last, new Set(names));
    assert.equal(dropped, round === 0 ? 1_000 : 1_001);
    assert.equal(chunks, round === 0 ? 0 : 8);
    sizes.push((await stat(path)).size);
  }
  const [settled = 0, ...later] = sizes.slice(3);
  assert.ok(Math.max(...later) <= settled * 1.1, `the file grows: ${sizes.join(", ")}`);
  // Twelve times as much went through it.
  assert.ok(settled < 4_000_000, `${settled} bytes`);
  await cleanup();
});
