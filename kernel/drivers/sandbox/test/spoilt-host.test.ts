/** What a capsule spoils again and again is used anew ever more slowly, whatever it spoilt it with. */
import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import { nodeProgram } from "@vnes/driver-host";
import type { SandboxInstance } from "@vnes/kernel";
import { callOf, told } from "../../../contracts/sandbox-lab.ts";
import { specOf } from "../../isolate/test/bundle.ts";
import { openHostSandbox } from "../src/index.ts";

const program = nodeProgram(new URL("./fixtures/spoilt-host.ts", import.meta.url));
const sandbox = openHostSandbox({ language: "javascript", program: () => program, bundle: () => "" });
after(() => sandbox[Symbol.asyncDispose]());

/** How many of so many turns, asked one after the other, the host has answered by the time it answers what was asked behind them. */
async function answered(one: SandboxInstance, turns: Promise<unknown>[]): Promise<number> {
  let ended = 0;
  for (const turn of turns) void turn.then(() => (ended += 1));
  await one.meters();
  await one.meters();
  return ended;
}

test("an isolate that was thrown away for a deadline is at once made anew the first time, and later and later from then on", async () => {
  const one = await sandbox.open(specOf(""));
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    assert.deepEqual(told(await one.deliver([callOf("go")])), ["TURN_DEADLINE"]);
    assert.deepEqual(told(await one.deliver([callOf("go")])), ["TURN_DEADLINE"]);
    for (const ms of [50, 100, 200]) {
      const next = one.deliver([callOf("go")]);
      mock.timers.tick(ms - 1);
      assert.equal(await answered(one, [next]), 0, `before ${ms} ms`);
      mock.timers.tick(1);
      assert.deepEqual(told(await next), ["TURN_DEADLINE"]);
    }
    mock.timers.tick(400);
    // So does one that was thrown away for the reset behind a turn.
    await one.reset();
    const last = one.deliver([callOf("go")]);
    mock.timers.tick(799);
    assert.equal(await answered(one, [last]), 0);
    mock.timers.tick(1);
    assert.deepEqual(told(await last), ["TURN_DEADLINE"]);
  } finally {
    mock.timers.reset();
  }
});
