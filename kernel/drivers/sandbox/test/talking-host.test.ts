/** What a host may say without having been asked, whatever got hold of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeProgram } from "@vnes/driver-host";
import { openHostSandbox } from "../src/index.ts";
import { specOf } from "../../isolate/test/bundle.ts";

test("a host that says without end that it is alive is ended, and its instances are told why", async () => {
  const program = nodeProgram(new URL("./fixtures/talking-host.ts", import.meta.url));
  await using sandbox = openHostSandbox({
    language: "javascript",
    program: () => program,
    bundle: () => "",
  });
  const one = await sandbox.open(specOf(""));
  await assert.rejects(one.meters(), {
    code: "SANDBOX_HOST_DIED",
    message: /says without end that it is alive/,
  });
});
