import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { cliErrors } from "../src/errors.ts";
import { forSameNode, typedFlags } from "../src/output/same-node.ts";

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

test("what is to be typed where another node runs gets none of this node's flags", () => {
  const flags = ["--home h"];
  for (const text of ["look whether b runs: vnes status there", "ask there: vnes topic show t.v1"])
    assert.equal(forSameNode(text, flags), text);
});

test("a path in what to do next is one word for a shell, whatever is in it", () => {
  for (const dir of ["plain/dir", "my capsules", 'it\'s $HOME `id`; "x"\\', "-dash", "a\nb", "ü*?"]) {
    const { remedy } = cliErrors.create("CAPSULE_NOT_VERIFIED", { dir, codes: "X" });
    const [, words] = /^vnes capsule verify ([^]*)$/.exec(remedy) ?? [];
    assert.equal(execFileSync("sh", ["-c", `printf %s ${words}`], { encoding: "utf8" }), dir);
  }
});
