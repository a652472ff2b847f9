/** What a hostile module leaves behind in its host, which it shares with other modules. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { wasmExecutor } from "@vnes/driver-wasm";
import { callOf } from "../../kernel/contracts/sandbox-lab.ts";
import { endOf, specOf, watModule } from "../../kernel/drivers/wasm/test/modules.ts";
import { HOSTILE_MODULES } from "./attacks/wasm.ts";

const LIMITS = { memoryMb: 16, turnMs: 250, effectBytes: 65_536, cacheBytes: 1_000_000 };
const MEGABYTE = 1024 * 1024;

const sandbox = openHostSandbox(wasmExecutor);
after(() => sandbox[Symbol.asyncDispose]());

test("memories that failed turns left behind are given back", async () => {
  const { go, ...more } = HOSTILE_MODULES.find(
    ({ name }) => name === "takes all its memory and traps",
  ) as never as {
    readonly go: string;
  };
  const instance = await sandbox.open(specOf(watModule(go, more), { group: "growing", limits: LIMITS }));
  const take = async (times: number): Promise<number> => {
    for (let n = 0; n < times; n++) assert.equal(await endOf(instance, callOf("go")), "TURN_HANDLER_THREW");
    return (await instance.meters()).host.memoryBytes / MEGABYTE;
  };
  const before = await take(20);
  const after = await take(100);
  // A hundred times 16 MB, if they were kept.
  assert.ok(after < before + 160, `${before.toFixed(0)} MB, then ${after.toFixed(0)} MB`);
});
