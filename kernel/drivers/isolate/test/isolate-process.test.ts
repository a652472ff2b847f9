/** Whether a Node whose own snapshot is used can make isolates: what it says of how it was built. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ISOLATE_FLAGS, sharesV8sLayout } from "../src/isolate-process.ts";

test("only a Node whose snapshot adds nothing to what isolates share may start from it", () => {
  const of = (value: unknown): boolean =>
    sharesV8sLayout({ variables: { v8_enable_extensible_ro_snapshot: value } });
  assert.equal(of(0), true);
  for (const other of [1, true, "0", undefined]) assert.equal(of(other), false, String(other));
  assert.equal(sharesV8sLayout({ variables: {} }), false);
  assert.equal(ISOLATE_FLAGS.includes("--no-node-snapshot"), !sharesV8sLayout(process.config));
});
