/** Packages that are only measured beside: installed from their own lock file when a benchmark asks for them. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("peers/", import.meta.url));
const INSTALL_TIMEOUT_MS = 120_000;

/** What `require` gives inside of `peers/`. Throws with what to do where they cannot be installed. */
export function requirePeer(name: string): unknown {
  if (!existsSync(join(FOLDER, "node_modules", name))) install();
  return createRequire(join(FOLDER, "package.json"))(name) as unknown;
}

function install(): void {
  console.log(`installing what is measured beside, into ${FOLDER}`);
  const { status, error, stderr } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: FOLDER,
    timeout: INSTALL_TIMEOUT_MS,
    encoding: "utf8",
  });
  if (status === 0) return;
  const problem = error?.message ?? stderr.trim().split("\n").slice(-3).join(" ");
  throw new Error(
    `BENCH_PEERS_MISSING: the packages to measure beside are not installed and cannot be (${problem}); ` +
      "next: npm ci --prefix test/bench/peers, where there is a way to the registry",
  );
}
