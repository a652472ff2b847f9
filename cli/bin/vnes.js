#!/usr/bin/env node
/**
 * Starts `vnes` with a Node.js that is new enough: the one that runs this file, or the one the package brings along.
 * Plain JavaScript that Node.js 18 understands, because it may be an old one that starts it.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_MAJOR = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "src", "main.ts");
const fromSource = existsSync(source) && !root.includes(`${sep}node_modules${sep}`);
const flags = ["--disable-warning=ExperimentalWarning", ...(fromSource ? ["--conditions=source"] : [])];
const args = [...flags, fromSource ? source : join(root, "dist", "main.js"), ...process.argv.slice(2)];

const node = findNode();
if (node === undefined) {
  process.stderr.write(
    `vnes needs Node.js ${OLDEST_MAJOR} or newer; this is ${process.version}.\nnext: npm ci, in the directory of vnes\n`,
  );
  process.exit(1);
}
// Compiled code is kept between runs in a directory only this user can write to.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
const env = { NODE_COMPILE_CACHE: join(cache, "vnes", "compile"), ...process.env };

if (typeof process.execve === "function") {
  process.removeAllListeners("warning");
  process.on("warning", () => {});
  process.execve(node, [node, ...args], env);
}
const child = spawn(node, args, { stdio: "inherit", env });
const forward = (signal) => child.kill(signal);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, () => forward(signal));
child.on("error", (error) => {
  process.stderr.write(`vnes could not start ${node}: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.removeAllListeners(name);
  process.kill(process.pid, signal);
});

function findNode() {
  if (Number.parseInt(process.versions.node, 10) >= OLDEST_MAJOR) return process.execPath;
  const require = createRequire(import.meta.url);
  for (const dir of require.resolve.paths("node") ?? []) {
    const binary = join(dir, "node", "bin", "node");
    if (existsSync(binary)) return binary;
  }
  return undefined;
}
