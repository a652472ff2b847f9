/** The process that isolates are made in: whether a Node's own snapshot may be used, by what it says of how it was built, and who helps V8. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
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

test("a capsule that fills its memory keeps one thread busy, and not those that help V8", async () => {
  await using sandbox = openHostSandbox(isolateExecutor);
  const fills = await bundleSource(`import { capsule } from "@vnes/sdk";
    export default capsule({ calls: { "t.go": () => { const again = () => Promise.resolve().then(again); again(); } } });`);
  const instance = await sandbox.open(specOf(fills, { limits: { memoryMb: 16, turnMs: 250 } }));
  const { pid } = (await instance.meters()).host;
  const before = processorNs(pid);
  const [result] = await instance.deliver([callOf("go")]);
  assert.equal(result?.kind, "failed");
  const after = processorNs(pid);
  const [own, helpers] = [after.own - before.own, after.helpers - before.helpers];
  assert.equal(after.helpingThreads, 1);
  assert.ok(helpers < own / 2, `${helpers} ns of helpers beside ${own} of its own`);
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

interface Processor {
  readonly own: number;
  readonly helpers: number;
  readonly helpingThreads: number;
}

/** Of the thread that runs capsules, and of V8's helpers. */
function processorNs(pid: number): Processor {
  const folder = `/proc/${pid}/task`;
  const used = (task: string): number =>
    Number(readFileSync(`${folder}/${task}/schedstat`, "utf8").split(" ")[0]);
  const helping = readdirSync(folder).filter((task) =>
    readFileSync(`${folder}/${task}/comm`, "utf8").startsWith("V8Worker"),
  );
  const helpers = helping.reduce((sum, task) => sum + used(task), 0);
  return { own: used(String(pid)), helpers, helpingThreads: helping.length };
}
