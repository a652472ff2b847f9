/** What a host may say without having been asked, whatever got hold of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeProgram } from "@vnes/driver-host";
import { openHostSandbox } from "../src/index.ts";
import { specOf } from "../../isolate/test/bundle.ts";

/** With hosts that are the fixture, told `bundle`. */
function sandboxOf(fixture: string, bundle: string): ReturnType<typeof openHostSandbox> {
  const program = nodeProgram(new URL(`./fixtures/${fixture}.ts`, import.meta.url));
  return openHostSandbox({ language: "javascript", program: () => program, bundle: () => bundle });
}

for (const said of ["deliver", "ask", "open", "fail", "dance"]) {
  test(`a host that says ${said} without being asked is ended`, async () => {
    await using sandbox = sandboxOf("unasked-host", said);
    const one = await sandbox.open(specOf(""));
    await assert.rejects(one.meters(), {
      code: "SANDBOX_HOST_DIED",
      message: /something that it was not asked/,
    });
  });
}

test("a host whose line is longer than 8 KiB is ended before it is read", async () => {
  await using sandbox = sandboxOf("unasked-host", "lines");
  const one = await sandbox.open(specOf(""));
  await assert.rejects(one.meters(), {
    code: "SANDBOX_HOST_DIED",
    message: /its line is longer than 8192 bytes/,
  });
});

test("what a host says of its meters is a number or nothing", async () => {
  await using sandbox = sandboxOf("unasked-host", "meters");
  const { cpuMs, memoryBytes, host } = await (await sandbox.open(specOf(""))).meters();
  assert.deepEqual([cpuMs, memoryBytes, host.memoryBytes], [0, 0, 0]);
});

test("a host that says without end that it is alive is ended, and its instances are told why", async () => {
  await using sandbox = sandboxOf("talking-host", "");
  const one = await sandbox.open(specOf(""));
  await assert.rejects(one.meters(), {
    code: "SANDBOX_HOST_DIED",
    message: /says without end that it is alive/,
  });
});
