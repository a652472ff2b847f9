/** The log of a node as it reaches a terminal: a capsule says what it likes, one line at a time. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const LOG = new URL("../src/log.ts", import.meta.url).href;
const SAYS = `{ capsule: "a/0", data: { k: "\\u009b2J", n: "\\u202e" } }, "one\\u001b[2J\\u009b1m\\n[21:00:00.000] ERROR: two"`;

for (const pretty of [true, false]) {
  test(`a line of a capsule is one line and moves no terminal, ${pretty ? "for people" : "for machines"}`, () => {
    const script = `import { createLog } from ${JSON.stringify(LOG)};
      createLog({ node: "n", level: "info", pretty: ${pretty}, colour: false }).info(${SAYS});`;
    const args = ["--conditions=source", "--input-type=module", "-e", script];
    const { stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    assert.doesNotMatch(stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    assert.match(stderr, /one/);
    assert.doesNotMatch(stderr, /^\[21:00:00\.000\] ERROR: two/m);
    if (!pretty) assert.match((JSON.parse(stderr) as { msg: string }).msg, /^one\u001b\[2J\u009b1m\n/);
  });
}
