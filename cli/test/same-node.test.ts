import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { VnesError } from "@vnes/schemas";
import { fromFailure, toFailure } from "../src/control/failure.ts";
import { errorTables } from "../src/error-tables.ts";
import { cliErrors } from "../src/errors.ts";
import { Output } from "../src/output/output.ts";
import { forSameNode, typedFlags } from "../src/output/same-node.ts";
import { REASONS } from "../src/session/reasons.ts";
import { wordsOf } from "../src/session/sentence.ts";

const NONE = { home: undefined, node: undefined, dataDir: undefined, config: undefined, output: "text" };

test("a command to type next has the flags of the one just typed, each once", () => {
  const flags = typedFlags({ ...NONE, home: "my nodes", dataDir: "d" });
  assert.deepEqual(flags, ["--home 'my nodes'", "--data-dir d"]);
  assert.equal(
    forSameNode("restore it, or build again: vnes capsule build x", flags),
    "restore it, or build again: vnes capsule build --home 'my nodes' --data-dir d x",
  );
  assert.equal(
    forSameNode("shorter: vnes boot --data-dir <dir>", flags),
    "shorter: vnes boot --home 'my nodes' --data-dir <dir>",
  );
  assert.equal(forSameNode("vnes capsule build x", typedFlags(NONE)), "vnes capsule build x");
});

/** How a remedy for another node reads; what reads so and is not marked would be given this node's flags. */
const READS_ELSEWHERE =
  /\bask there: |\bstatus there\b|\bon (?:its|the client's|the gateway's) node\b|\bthe node that wrote it\b/i;

test("what is to be typed where another node runs gets none of this node's flags, and its entry says so", () => {
  const output = new Output({ stdout: () => {}, stderr: () => {}, stdoutColour: false, stderrColour: false });
  output.flags = ["--home h"];
  const entries = errorTables().flatMap((table) => Object.entries(table.entries));
  const marked = entries.filter(([, { elsewhere }]) => elsewhere === true).map(([code]) => code);
  const written = entries.filter(([, { remedy }]) => READS_ELSEWHERE.test(remedy)).map(([code]) => code);
  assert.ok(marked.length > 5);
  assert.deepEqual(marked.toSorted(), written.toSorted());
  for (const [code, entry] of entries) {
    const error = new VnesError(code, entry, {});
    const there = fromFailure(toFailure(error));
    assert.equal(there.elsewhere, entry.elsewhere === true, code);
    if (entry.elsewhere === true) assert.equal(output.remedy(there), there.remedy);
  }
  for (const { next } of Object.values(REASONS)) {
    if (next !== undefined)
      assert.equal(typeof next !== "string", READS_ELSEWHERE.test(wordsOf(next)), wordsOf(next));
  }
});

test("a path in what to do next is one word for a shell, whatever is in it", () => {
  for (const dir of ["plain/dir", "my capsules", 'it\'s $HOME `id`; "x"\\', "-dash", "a\nb", "ü*?"]) {
    const { remedy } = cliErrors.create("CAPSULE_NOT_VERIFIED", { dir, codes: "X" });
    const [, words] = /^vnes capsule verify ([^]*)$/.exec(remedy) ?? [];
    assert.equal(execFileSync("sh", ["-c", `printf %s ${words}`], { encoding: "utf8" }), dir);
  }
});
