/** Reading and judging a capsule of 1 MB, beside `sha256sum` over the same files. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildCapsule, openAuthority, verifyCapsule } from "@vnes/registry";
import { manifestOf } from "../../kernel/test/harness/node-harness.ts";
import { type BenchResult, median } from "./result.ts";

const FILES = 16;
const FILE_BYTES = 64 * 1024;
const ROUNDS = 15;

export const name = "admission";

export const notMeasured: readonly string[] = [
  "the first validation of a process, which compiles the schemas (about 100 ms, once; part of the bench of boot)",
  "a cold disk",
];

export async function run(): Promise<readonly BenchResult[]> {
  const home = mkdtempSync(join(tmpdir(), "vnes-bench-admission-"));
  try {
    const dir = join(home, "capsule");
    mkdirSync(join(dir, "impl"), { recursive: true });
    mkdirSync(join(dir, "spec"));
    const manifest = manifestOf("bench.large", { security: { trust_zone: "tenant" } });
    writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
    writeFileSync(join(dir, "spec", "logic.md"), "Large, for measuring.\n");
    for (let n = 0; n < FILES; n++)
      writeFileSync(join(dir, "impl", n === 0 ? "main.js" : `part-${n}.bin`), randomBytes(FILE_BYTES));
    const authority = await openAuthority(join(home, "config"));
    await buildCapsule(dir, { authority });
    const trust = authority.trust();
    const { policy } = authority;
    const ours: number[] = [];
    const sums: number[] = [];
    const files = readdirSync(join(dir, "impl")).map((file) => join(dir, "impl", file));
    for (let round = 0; round <= ROUNDS; round++) {
      const start = performance.now();
      const { verdict } = await verifyCapsule(dir, { trust, policy });
      const middle = performance.now();
      execFileSync("sha256sum", files);
      if (verdict.kind !== "verified") throw new Error(JSON.stringify(verdict.reasons));
      // The first round compiles the schemas.
      if (round === 0) continue;
      ours.push(middle - start);
      sums.push(performance.now() - middle);
    }
    const peer = { name: "sha256sum, process and all", value: median(sums) };
    return [{ metric: "admission of a 1 MB capsule of 18 files", value: median(ours), unit: "ms", peer }];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
