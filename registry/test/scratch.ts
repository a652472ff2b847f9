/** A directory that goes away with the test, and small real capsules in it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { Manifest } from "@vnes/schemas";

export function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "vnes-registry-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function write(dir: string, files: { readonly [path: string]: string | Uint8Array }): string {
  mkdirSync(dir, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return dir;
}

export function manifest(change: Partial<Manifest> = {}): Manifest {
  return {
    schema_version: "v1.0",
    id: "org.example.counter",
    version: "0.1.0",
    type: "logic",
    description: "Counts.",
    capabilities: { provides: ["example.counter"], determinism_tier: "D0_bit_exact" },
    interfaces: { javascript: "impl/main.js" },
    governance: { tier: "local", audit_level: "standard" },
    runtime: { language: "typescript", timeout_ms: 1000 },
    security: { trust_zone: "tenant" },
    ...change,
  };
}

export const CORE: Partial<Manifest> = {
  id: "vnes.test.counter",
  governance: { tier: "core", audit_level: "standard" },
  security: { trust_zone: "system" },
};

const SOURCE = `import { driver } from "@vnes/sdk/driver";
import { step } from "./step.ts";

export default { next: (n: number) => step(n), kind: typeof driver };
`;

/** A capsule as an author leaves it: not built. */
export function writeCapsule(
  dir: string,
  change: Partial<Manifest> = {},
  files: { readonly [path: string]: string | Uint8Array } = {},
): string {
  return write(dir, {
    "manifest.json": `${JSON.stringify(manifest(change), null, 2)}\n`,
    "spec/logic.md": "# Counter\n",
    "spec/schema.json": '{ "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {} }\n',
    "src/main.ts": SOURCE,
    "src/step.ts": "export const step = (n: number): number => n + 1; // é\n",
    "README.md": "Not part of the image.\n",
    ...files,
  });
}
