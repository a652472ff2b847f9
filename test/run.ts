/**
 * `npm test`: what the tests need of the system, then every test file, a bounded number at a time, then one line with
 * the counts. A test that was not run is said by name; nothing found is a failure.
 */
import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import { globSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** A test that takes longer hangs. */
const TEST_TIMEOUT_MS = 180_000;
/** Longer than any test may take: what one left behind, as a process, keeps its file from ending, and no timeout is for that. */
const SILENCE_MS = 240_000;
/** Test files start nodes and hosts of their own; more at once only wait for each other. */
const MOST_AT_ONCE = 4;
/** Most of a file is waiting for a timer, a disk or a process, so one more than there are cores. */
const AT_ONCE = Math.min(availableParallelism() + 1, MOST_AT_ONCE);

/** Commands the tests use, and the Debian package each comes in. */
const SYSTEM_PACKAGES = [
  ["bwrap", "bubblewrap"],
  ["strace", "strace"],
  ["nats-server", "nats-server"],
  ["python3", "python3"],
  ["cc", "gcc libc6-dev"],
] as const;

provideSystemPackages();

/** Files, patterns or directories. */
const given = process.argv.slice(2).map((path) => (isDirectory(path) ? join(path, "**/*.test.ts") : path));
const patterns = given.length > 0 ? given : ["**/test/**/*.test.ts"];
const files = globSync(patterns, {
  cwd: ROOT,
  exclude: (name) => ["node_modules", "dist", "fixture", ".git"].includes(name),
});
// Mixed, the same way each time: tests that lie together wait for the same things, and the processors would stand still meanwhile.
const places = new Map(files.map((file) => [file, hash("sha1", file)]));
files.sort((a, b) => ((places.get(a) ?? "") < (places.get(b) ?? "") ? -1 : 1));
if (files.length === 0) fail(`no test file matches ${patterns.join(" ")}`);

// What all files load is compiled once and kept, also for each `vnes` that a test starts in a home of its own: a sixth of their time.
process.env["NODE_COMPILE_CACHE"] ??= join(ROOT, "node_modules", ".cache", "tests");

const stuck = new AbortController();
let passed = 0;
let failed = 0;
const skipped: string[] = [];
const stream = run({
  files: files.map((file) => join(ROOT, file)),
  cwd: ROOT,
  concurrency: AT_ONCE,
  timeout: TEST_TIMEOUT_MS,
  signal: stuck.signal,
  execArgv: ["--conditions=source", "--disable-warning=ExperimentalWarning"],
});
stream.on("test:pass", ({ name, details, skip, todo }) => {
  if (details.type === "suite") return;
  if (skip !== undefined || todo !== undefined) skipped.push(`${name}: ${String(skip ?? todo)}`);
  else passed += 1;
});
stream.on("test:fail", ({ details }) => {
  if (details.type !== "suite") failed += 1;
});
const silence = setTimeout(() => {
  failed += 1;
  console.log(`nothing was heard of any test for ${SILENCE_MS / 1_000} s: what still runs is ended`);
  stuck.abort();
}, SILENCE_MS);
for (const event of ["test:start", "test:pass", "test:fail"] as const)
  stream.on(event, () => silence.refresh());
stream.compose(spec).pipe(process.stdout);
stream.on("end", () => {
  clearTimeout(silence);
  // After the reporter's own summary, which is still on its way.
  process.stdout.once("drain", finish);
  setTimeout(finish, 200);
});

function isDirectory(path: string): boolean {
  return statSync(join(ROOT, path), { throwIfNoEntry: false })?.isDirectory() === true;
}

let finished = false;
function finish(): void {
  if (finished) return;
  finished = true;
  for (const name of skipped) console.log(`not run: ${name}`);
  if (passed + failed === 0) fail("no test ran");
  console.log(
    `${passed} passed, ${failed} failed${skipped.length === 0 ? "" : `, ${skipped.length} not run`}`,
  );
  process.exitCode = failed > 0 ? 1 : 0;
}

function provideSystemPackages(): void {
  const missing = SYSTEM_PACKAGES.filter(([command]) => !has(command)).map(([, name]) => name);
  if (missing.length === 0) return;
  const command = `apt-get update && apt-get install -y ${missing.join(" ")}`;
  if (process.getuid?.() === 0 && has("apt-get")) {
    console.log(`installing ${missing.join(", ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const done = spawnSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"], env });
    if (done.status === 0 && SYSTEM_PACKAGES.every(([command]) => has(command))) return;
  }
  fail(`the tests need the system packages ${missing.join(", ")}\nnext: sudo sh -c '${command}'`);
}

function has(command: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" }).status === 0;
}

function fail(message: string): never {
  console.error(message);
  console.log("0 passed, 1 failed");
  process.exit(1);
}
