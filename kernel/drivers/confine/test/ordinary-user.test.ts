/** The same walls for somebody who is not root: the tests of `wall.test.ts` again, by a user of user namespaces alone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const TESTS = fileURLToPath(new URL("wall.test.ts", import.meta.url));
const NOBODY = "65534";
const AS_NOBODY = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--bounding-set=-all"];

function asNobody(...command: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  // Where this folder is closed to others, it starts in one that is not.
  return spawnSync("setpriv", [...AS_NOBODY, ...command], {
    cwd: "/",
    encoding: "utf8",
    env: { PATH: process.env["PATH"] },
    timeout: 150_000,
  });
}

function reason(): string | undefined {
  if (process.getuid?.() !== 0) return "this is an ordinary user already";
  for (const file of [TESTS, process.execPath])
    if (asNobody("test", "-r", file).status !== 0) return `other users may not read ${file}`;
  return undefined;
}

const skip = reason();

test("every wall stands for an ordinary user as it does for root", skip === undefined ? {} : { skip }, () => {
  const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", "--test-reporter=tap"];
  const { status, stdout, stderr } = asNobody(process.execPath, ...flags, TESTS);
  assert.equal(
    status,
    0,
    stdout
      .split("\n")
      .filter((line) => line.includes("not ok") || line.includes("error:"))
      .join("\n") + stderr,
  );
  assert.match(stdout, /^# fail 0$/m);
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) > 40, stdout.slice(-500));
});
