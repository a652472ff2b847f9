/** What `vnes` says to type next is typed as it stands, by a shell, from an empty folder to an installed capsule, in every language. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));
const COMMAND_TIMEOUT_MS = 120_000;
/** Neither the home nor a capsule has a name that a shell would leave alone. */
const HOME = "it's my home";
const DIR = "a greeter; $HOME";

interface Typed {
  readonly status: number | null;
  readonly out: string;
  /** What is behind the last `next:`. */
  readonly next: string;
}

function type(line: string, cwd: string): Typed {
  const PATH = [BIN, process.env["PATH"]].join(delimiter);
  const options = {
    cwd,
    env: { ...process.env, PATH },
    encoding: "utf8",
    timeout: COMMAND_TIMEOUT_MS,
  } as const;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", line], options);
  const out = stdout + stderr;
  return { status, out, next: [...out.matchAll(/^ *next: (.*)$/gm)].at(-1)?.[1] ?? "" };
}

for (const language of ["typescript", "python", "assemblyscript", "native"]) {
  test(`every next step of a new capsule (${language}) does what it says when it is typed`, () => {
    const cwd = mkdtempSync(join(tmpdir(), "vnes-next-"));
    const typed = (line: string): Typed => {
      const done = type(line, cwd);
      assert.equal(done.status, 0, `${line}\n${done.out}`);
      return done;
    };
    try {
      const words = `--home "${HOME}" acme.greeter --dir '${DIR}' --language ${language}`;
      const made = typed(`vnes capsule new ${words}`);
      const built = typed(made.next);
      const verified = typed(built.next);
      assert.match(verified.out, /^verified {2}acme\.greeter/m);
      typed(verified.next);
      const listed = typed(`vnes capsule list --installed --home "${HOME}"`);
      assert.match(listed.out, /^acme\.greeter +0\.1\.0 +current/m);
      const again = type(`vnes capsule new ${words}`, cwd);
      assert.match(
        again.next,
        language === "typescript" ? /greeter --dir <dir>$/ : new RegExp(`--language ${language} --dir`),
      );
      const down = type(`vnes capsule list --home "${HOME}"`, cwd);
      assert.equal(down.next, `vnes boot --home 'it'\\''s my home'`);
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  });
}
