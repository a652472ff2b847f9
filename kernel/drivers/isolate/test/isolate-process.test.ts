/** The process that isolates are made in: whether a Node's own snapshot may be used, by what it says of how it was built, and who helps V8. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { isVnesError } from "@vnes/schemas";
import { callOf } from "../../../contracts/sandbox-lab.ts";
import { isolateExecutor } from "../src/index.ts";
import { ISOLATE_FLAGS, sharesV8sLayout } from "../src/isolate-process.ts";
import { bundleSource, specOf } from "./bundle.ts";

test("only a Node whose snapshot adds nothing to what isolates share may start from it", () => {
  const of = (value: unknown): boolean =>
    sharesV8sLayout({ variables: { v8_enable_extensible_ro_snapshot: value } });
  assert.equal(of(0), true);
  for (const other of [1, true, "0", undefined]) assert.equal(of(other), false, String(other));
  assert.equal(sharesV8sLayout({ variables: {} }), false);
  assert.equal(ISOLATE_FLAGS.includes("--no-node-snapshot"), !sharesV8sLayout(process.config));
});

test("an isolate that V8 gives up for its memory ends its process at once, and says so", async () => {
  await using sandbox = openHostSandbox(isolateExecutor);
  const fills = await bundleSource(`import { capsule } from "@vnes/sdk";
    export default capsule({ calls: { "t.go": () => { const all = new Map(); for (let n = 0; ; n++) all.set("k" + n, { n }); } } });`);
  // So long that no deadline ends it first, and a host that hung would be killed for its silence.
  const instance = await sandbox.open(specOf(fills, { limits: { memoryMb: 16, turnMs: 5_000 } }));
  const died = await instance.deliver([callOf("go")]).catch((error: unknown) => error);
  assert.ok(isVnesError(died));
  assert.equal(died.code, "SANDBOX_HOST_DIED");
  assert.match(died.message, /SIGABRT: FATAL ERROR: V8 gave up an isolate that ran out of memory/);
});
