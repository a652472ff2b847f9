/** A hostile capsule in JavaScript and a healthy one in the same host: what stands between them is an isolate and a deadline. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { isVnesError } from "@vnes/schemas";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { SHARED_HOST } from "./attacks/shared-host.ts";
import { call, endOf } from "./turns.ts";

const sandbox = openHostSandbox(isolateExecutor);
after(() => sandbox[Symbol.asyncDispose]());

/** These take their time, and are to be judged all the same. */
const PATIENT = { turnMs: 5_000 };
const HEALTHY = await bundleSource(
  `import { capsule } from "@vnes/sdk"; export default capsule({ calls: { "t.ok": () => 1 } });`,
);

for (const { name, bundle, ends } of SHARED_HOST) {
  test(`a capsule that ${name} ends in ${ends}, and its neighbour in the same host is served`, async () => {
    const healthy = await sandbox.open(specOf(HEALTHY, { group: name, instance: "healthy/0" }));
    const hostile = await sandbox.open(
      specOf(bundle, { group: name, instance: "hostile/0", limits: PATIENT }),
    );
    for (let turn = 0; turn < 3; turn++) {
      const [{ how }, neighbour] = await Promise.all([
        endOf(hostile, call("go")),
        endOf(healthy, call("ok")),
      ]);
      assert.deepEqual([how, neighbour.how], [ends, "done"]);
    }
    assert.equal((await endOf(hostile, call("ok"))).how, "done");
    await Promise.all([hostile.dispose(), healthy.dispose()]);
  });
}

test("a capsule that never ends loading is refused as soon as a turn would be, and its neighbour keeps its host", async () => {
  const group = "endless top";
  const healthy = await sandbox.open(specOf(HEALTHY, { group, instance: "healthy/0" }));
  const { pid } = (await healthy.meters()).host;
  const loops = "while (true);";
  for (const [turnMs, loadMs] of [
    [5, 250],
    [400, 400],
  ] as const) {
    const spec = specOf(loops, { group, instance: "hostile/0", limits: { turnMs } });
    const [opened, neighbour] = await Promise.allSettled([sandbox.open(spec), endOf(healthy, call("ok"))]);
    assert.ok(opened.status === "rejected" && isVnesError(opened.reason));
    assert.equal(opened.reason.code, "SANDBOX_BUNDLE_BROKEN");
    // Longer on a busy machine, where it is loaded once more.
    const [, ms] = /its top level timed out after (\d+) ms/.exec(opened.reason.message) ?? [];
    assert.ok(Number(ms) >= loadMs && Number(ms) <= 3 * loadMs, opened.reason.message);
    assert.ok(neighbour.status === "fulfilled" && neighbour.value.how === "done");
  }
  assert.equal((await healthy.meters()).host.pid, pid);
  await healthy.dispose();
});

test("a capsule that computes for long when it is loaded is not waited for again, and costs nobody the host", async () => {
  // Far longer than the deadline of a turn, far shorter than the first load may take.
  const bundle = await bundleSource(`import { capsule } from "@vnes/sdk";
    let sum = 0; for (let n = 0; n < 1e7; n++) sum += n % 7;
    export default capsule({ calls: { "t.go": () => { while (true); }, "t.ok": () => sum } });`);
  const group = "slow top";
  const healthy = await sandbox.open(specOf(HEALTHY, { group, instance: "healthy/0" }));
  const limits = { turnMs: 3 };
  const hostile = await sandbox.open(specOf(bundle, { group, instance: "hostile/0", limits }));
  const { pid } = (await healthy.meters()).host;
  assert.equal((await endOf(hostile, call("go"))).how, "TURN_DEADLINE");
  for (let turn = 0; turn < 3; turn++) {
    const [[result], neighbour] = await Promise.all([
      hostile.deliver([call("ok")]),
      endOf(healthy, call("ok")),
    ]);
    assert.ok(result?.kind === "failed" && result.code === "TURN_DEADLINE", JSON.stringify(result));
    assert.match(result.message, /loading the capsule anew was stopped after \d+ ms/);
    assert.equal(neighbour.how, "done");
  }
  assert.ok((await hostile.meters()).cpuMs > 5, "who does not load computes for nothing");
  assert.equal((await healthy.meters()).host.pid, pid);
  await Promise.all([hostile.dispose(), healthy.dispose()]);
});

const rejecting = (error: string): string => `${error} Promise.reject(e); return 1;`;
/** What isolated-vm asks of what was rejected it asks when the deadline is over, and work of V8 itself is not interrupted. */
const ENDLESS = {
  "rejects with a message without end": rejecting(
    `const e = new Error("x"); Object.defineProperty(e, "message", { get() { while (true); } });`,
  ),
  "rejects with a stack without end": rejecting(
    `Error.prepareStackTrace = () => { while (true); }; const e = new Error("x");`,
  ),
  "rejects with a proxy without end": rejecting(
    `const e = new Proxy(new Error("x"), { get() { while (true); } });`,
  ),
  "looks through a list without end": "return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);",
};

for (const [what, go] of Object.entries(ENDLESS)) {
  test(`a capsule that ${what} costs its host soon after the deadline`, async () => {
    const bundle = await bundleSource(`import { capsule } from "@vnes/sdk";
      export default capsule({ calls: { "t.go": () => { ${go} }, "t.ok": () => 1 } });`);
    const healthy = await sandbox.open(specOf(HEALTHY, { group: what, instance: "healthy/0" }));
    const hostile = await sandbox.open(specOf(bundle, { group: what, instance: "hostile/0" }));
    await assert.rejects(hostile.deliver([call("go")]), (error: unknown) => {
      assert.ok(isVnesError(error) && error.code === "SANDBOX_HOST_DIED");
      assert.match(error.message, /a capsule held its host for \d+ ms in one call/);
      return true;
    });
    await assert.rejects(healthy.deliver([call("ok")]), { code: "SANDBOX_HOST_DIED" });
    const again = await sandbox.open(specOf(HEALTHY, { group: what, instance: "healthy/0" }));
    assert.equal((await endOf(again, call("ok"))).how, "done");
    await again.dispose();
  });
}
